//! The one timeline of parcels that every carrier tells from.

pub(crate) mod parcel;
pub(crate) mod script;
pub(crate) mod step;
