//! What a process tells of itself while it runs: log lines, and traces where they are collected.

use forebay_telemetry::{LogFormat, logs};

use crate::config::Config;
use crate::exit::{CONFIGURATION, Exit};

/// Where log lines and spans go.
#[derive(Debug, Default)]
pub(crate) struct Observation {
    #[cfg(feature = "otlp")]
    traces: forebay_telemetry::traces::Traces,
}

impl Observation {
    /// Begins to tell, as the configuration says. From within the runtime.
    pub(crate) fn begin(&self, config: &Config) -> Result<(), Exit> {
        let format: LogFormat =
            config.log.format.parse().map_err(|e| Exit::new(CONFIGURATION, format!("log.format {e}")))?;
        logs::init(format, &config.log.filter, self.collector(config)?)
            .map_err(|error| Exit::new(CONFIGURATION, format!("log.filter: {error}")))
    }

    /// Tells what is left. Outside the runtime, while it still runs.
    pub(crate) fn finish(&self) {
        #[cfg(feature = "otlp")]
        self.traces.finish();
    }

    #[cfg(not(feature = "otlp"))]
    #[expect(clippy::unused_self, clippy::unnecessary_wraps, reason = "as with the feature otlp")]
    fn collector(&self, _: &Config) -> Result<Option<logs::Beside>, Exit> {
        Ok(None)
    }

    #[cfg(feature = "otlp")]
    fn collector(&self, config: &Config) -> Result<Option<logs::Beside>, Exit> {
        use forebay_outbound::collector::Collector;
        use forebay_telemetry::Metrics;
        use forebay_telemetry::traces::CollectorOptions;
        use secrecy::ExposeSecret as _;
        use tokio::runtime::Handle;

        let refused =
            |error: &dyn std::fmt::Display| Exit::new(CONFIGURATION, format!("traces.endpoint: {error}"));
        let Some(endpoint) = &config.traces.endpoint else { return Ok(None) };
        let version = env!("CARGO_PKG_VERSION");
        let client =
            Collector::new(endpoint, Handle::current(), Metrics::new(version)).map_err(|e| refused(&e))?;
        let authorization = config.traces.authorization.get();
        let options = CollectorOptions {
            endpoint: endpoint.to_string(),
            headers: authorization
                .map(|value| ("authorization".to_owned(), value.expose_secret().to_owned()))
                .into_iter()
                .collect(),
            sample: config.traces.sample,
            service: "forebay".to_owned(),
            version,
        };
        self.traces.collect(options, client).map(Some).map_err(|e| refused(&e))
    }
}
