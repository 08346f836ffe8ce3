//! HTTP for members, reads and administration.
