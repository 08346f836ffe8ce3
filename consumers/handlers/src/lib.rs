//! What each queue's messages do.
