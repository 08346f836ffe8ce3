//! The world, driven from outside over raw HTTP and SMTP.

#[cfg(test)]
mod aftership;
#[cfg(test)]
mod asking;
#[cfg(test)]
mod control;
#[cfg(test)]
mod dhl;
#[cfg(test)]
mod easypost;
#[cfg(test)]
mod fedex;
#[cfg(test)]
mod gates;
#[cfg(test)]
mod load;
#[cfg(test)]
mod mail;
#[cfg(test)]
mod pages;
#[cfg(test)]
mod pushes;
#[cfg(test)]
mod shop;
#[cfg(test)]
mod slack;
#[cfg(test)]
mod sweettracker;
#[cfg(test)]
mod tracker_delivery;
#[cfg(test)]
mod ups;
#[cfg(test)]
mod wire;
