//! Calls to the outside, made to real servers on 127.0.0.1.

#[cfg(test)]
mod http;
#[cfg(test)]
mod mail;
#[cfg(test)]
mod oauth;
#[cfg(test)]
mod pacing;
#[cfg(test)]
mod server;
#[cfg(test)]
mod slack;
