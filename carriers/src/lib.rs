//! One adapter a carrier.
