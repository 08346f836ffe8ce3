//! The store contract (use cases, one transaction each) and its conformance suite.
