//! How a metric of the closed list is described, and how the description becomes the metric and its documentation.

use prometheus::core::Collector;
use prometheus::{
    Gauge, GaugeVec, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGaugeVec, Opts, Registry,
};

use crate::label::Label;

/// What every name begins with.
pub const NAMESPACE: &str = "forebay";

/// What a metric does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It only grows, until the process ends.
    Counter,
    /// It goes up and down.
    Gauge,
    /// It counts observations by size: `_bucket`, `_sum` and `_count`.
    Histogram,
}

impl Kind {
    /// Its word, as Prometheus says it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// A metric of the closed list.
#[derive(Debug, Clone, Copy)]
pub struct Metric {
    /// Its name, without the namespace.
    pub name: &'static str,
    /// What it does.
    pub kind: Kind,
    /// What it means; the text of its field, too.
    pub help: &'static str,
    /// Its labels.
    pub labels: &'static [Label],
    /// The upper bounds of a histogram's buckets.
    pub buckets: &'static [f64],
}

impl Metric {
    fn opts(&self) -> Opts {
        Opts::new(self.name, self.help.trim()).namespace(NAMESPACE)
    }

    fn label_names(&self) -> Vec<&'static str> {
        self.labels.iter().map(|label| label.name).collect()
    }
}

/// A type of the library that a description can become.
pub(crate) trait Described: Collector + Clone + Sized + 'static {
    const KIND: Kind;
    fn of(metric: &Metric) -> prometheus::Result<Self>;
}

macro_rules! described {
    ($($of:ident: $kind:ident, $metric:ident => $make:expr;)+) => {
        $(impl Described for $of {
            const KIND: Kind = Kind::$kind;
            fn of($metric: &Metric) -> prometheus::Result<Self> { $make }
        })+
    };
}

described! {
    IntCounter: Counter, metric => Self::with_opts(metric.opts());
    IntCounterVec: Counter, metric => Self::new(metric.opts(), &metric.label_names());
    Gauge: Gauge, metric => Self::with_opts(metric.opts());
    GaugeVec: Gauge, metric => Self::new(metric.opts(), &metric.label_names());
    IntGaugeVec: Gauge, metric => Self::new(metric.opts(), &metric.label_names());
    HistogramVec: Histogram, metric => Self::new(
        HistogramOpts::from(metric.opts()).buckets(metric.buckets.to_vec()),
        &metric.label_names(),
    );
}

/// Makes a metric and registers it.
pub(crate) fn registered<M: Described>(registry: &Registry, metric: &Metric) -> prometheus::Result<M> {
    let made = M::of(metric)?;
    registry.register(Box::new(made.clone()))?;
    Ok(made)
}

/// The struct [`Metrics`](crate::Metrics) and [`METRICS`](crate::metrics::METRICS) from one list. A line's comment is
/// the metric's help and its documentation.
macro_rules! metrics {
    ($($(#[doc = $help:literal])+ $field:ident: $of:ident = $name:literal [$($label:ident),*] $($buckets:ident)?;)+) => {
        /// Every metric of one process. Cheap to clone; all clones count together.
        #[derive(Debug, Clone)]
        pub struct Metrics {
            registry: ::prometheus::Registry,
            $($(#[doc = $help])+ pub $field: ::prometheus::$of,)+
        }

        /// The closed list, in the order of its documentation.
        pub const METRICS: &[$crate::list::Metric] = &[$($crate::list::Metric {
            name: $name,
            kind: <::prometheus::$of as $crate::list::Described>::KIND,
            help: concat!($($help),+),
            labels: &[$($crate::label::$label),*],
            buckets: metrics!(@buckets $($buckets)?),
        }),+];

        impl Metrics {
            fn build(registry: ::prometheus::Registry) -> ::prometheus::Result<Self> {
                let mut list = METRICS.iter();
                // Fields and list come from the same lines, in the same order.
                $(let $field = $crate::list::registered(&registry, list.next().ok_or(::prometheus::Error::AlreadyReg)?)?;)+
                Ok(Self { registry, $($field),+ })
            }
        }
    };
    (@buckets) => { &[] };
    (@buckets $buckets:ident) => { $buckets };
}
pub(crate) use metrics;
