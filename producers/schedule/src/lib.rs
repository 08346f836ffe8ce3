//! Clock in, outbox rows out: each job fires once over any number of processes.
