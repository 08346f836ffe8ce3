//! HTTP in, confirmed publish out.
