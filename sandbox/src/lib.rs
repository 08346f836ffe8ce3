//! The outside world in a box, over real HTTP and SMTP.
