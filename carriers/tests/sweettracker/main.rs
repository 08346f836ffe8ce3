//! Sweet Tracker: what its answers mean, and what it is asked.

#[cfg(test)]
mod answers;
#[cfg(test)]
mod asking;
#[cfg(test)]
mod sandbox;
