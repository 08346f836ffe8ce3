//! The world, driven from outside over raw HTTP and SMTP.

#[cfg(test)]
mod control;
#[cfg(test)]
mod load;
#[cfg(test)]
mod mail;
#[cfg(test)]
mod shop;
#[cfg(test)]
mod slack;
#[cfg(test)]
mod sweettracker;
#[cfg(test)]
mod wire;
