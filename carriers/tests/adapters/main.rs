//! Each adapter: what its system's answers mean, and what the system is asked.

#[cfg(test)]
mod aftership;
#[cfg(test)]
mod anything;
#[cfg(test)]
mod dhl;
#[cfg(test)]
mod easypost;
#[cfg(test)]
mod fedex;
#[cfg(test)]
mod leaks;
#[cfg(test)]
mod stories;
#[cfg(test)]
mod support;
#[cfg(test)]
mod sweettracker;
#[cfg(test)]
mod tracker_delivery;
#[cfg(test)]
mod ups;
#[cfg(test)]
mod worlds;
