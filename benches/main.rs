//! Measurements: each row beside a bare baseline in the same run, in rounds that take turns, by medians.
//!
//! Run by `scripts/bench`. A row that is missed is reported and fails nothing; what fails is a loss or an error.

#![expect(clippy::unwrap_used, reason = "a measurement ends by panicking")]
#![expect(clippy::print_stdout, reason = "figures go to standard output")]

mod accept;
mod amqp;
mod back_ends;
mod bare_sql;
mod burst;
mod claims;
mod footprint;
mod growth;
mod http_load;
mod overhead;
mod permits;
mod process;
mod report;
mod search;
mod settle;

#[path = "../tests/system/fleet.rs"]
#[expect(dead_code, reason = "the tests use the rest")]
mod fleet;
#[path = "../tests/system/support.rs"]
mod support;

use clap::{Parser, ValueEnum};
use report::Row;

/// What can be measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Measurement {
    /// Events accepted over HTTP, in batches and one by one
    Accept,
    /// Claims on one hot reward, settled
    Settle,
    /// The same as the books grow from ten thousand days to a million
    Growth,
    /// The demo's burst, on both sets of back ends
    Burst,
    /// Memory of an intake and of a worker, processor time of an idle system
    Footprint,
    /// Searches among dead letters, on both stores
    Search,
    /// What logs, metrics and traces cost where claims are settled
    Overhead,
    /// What permits cost the store, and 64 workers on one carrier
    Permits,
}

#[derive(Debug, Parser)]
struct Options {
    /// What to measure [default: all]
    measurements: Vec<Measurement>,
    /// Rounds of each row
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// A tenth of the work in one round: to try the measurements, not to quote them
    #[arg(long)]
    quick: bool,
    /// Messages that wait for the worker whose memory is measured, and dead letters that are searched
    #[arg(long, default_value_t = 1_000_000)]
    messages: usize,
    /// Given by cargo
    #[arg(long, hide = true)]
    bench: bool,
}

impl Options {
    fn rounds(&self) -> usize {
        if self.quick { 1 } else { self.rounds as usize }
    }

    fn messages(&self) -> usize {
        self.scaled(self.messages)
    }

    /// `full`, or the tenth of it.
    fn scaled(&self, full: usize) -> usize {
        if self.quick { full / 10 } else { full }
    }
}

fn main() {
    let options = Options::parse();
    let all = Measurement::value_variants();
    let chosen = if options.measurements.is_empty() { all } else { &options.measurements };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mut rows: Vec<Row> = Vec::new();
    for measurement in chosen {
        rows.extend(match measurement {
            Measurement::Accept => runtime.block_on(accept::measure(&options)),
            Measurement::Settle => runtime.block_on(settle::measure(&options)),
            Measurement::Growth => runtime.block_on(growth::measure(&options)),
            Measurement::Burst => burst::measure(&options),
            Measurement::Footprint => runtime.block_on(footprint::measure(&options)),
            Measurement::Search => runtime.block_on(search::measure(&options)),
            Measurement::Overhead => runtime.block_on(overhead::measure(&options)),
            Measurement::Permits => runtime.block_on(permits::measure(&options)),
        });
    }
    report::show(&rows);
}
