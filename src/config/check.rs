//! What can be told of a configuration only when all of it is read.

use super::Config;
use super::secret::{BackEndUrl, Secret, secret_file};

/// Days for which a message may be retried before it is dead as `expired`.
const RETRY_DAYS: u32 = 1;
/// Days to spare between the end of what can be replayed and what is forgotten.
const SPARE_DAYS: u32 = 1;

impl Config {
    /// Puts the contents of secret files in their places.
    pub(super) fn read_secret_files(&mut self, faults: &mut Vec<String>) {
        let secrets = [
            ("returns.api_token", &mut self.returns.api_token, &self.returns.api_token_file),
            ("returns.signing_secret", &mut self.returns.signing_secret, &self.returns.signing_secret_file),
            ("slack.webhook_url", &mut self.slack.webhook_url, &self.slack.webhook_url_file),
            ("slack.bot_token", &mut self.slack.bot_token, &self.slack.bot_token_file),
            ("mail.password", &mut self.mail.password, &self.mail.password_file),
            ("traces.authorization", &mut self.traces.authorization, &self.traces.authorization_file),
        ];
        let secrets = secrets.into_iter().map(|(name, secret, file)| (name.to_owned(), secret, file));
        for (name, secret, file) in secrets.chain(self.carriers.secrets()) {
            let Some(path) = file else { continue };
            if secret.get().is_some() {
                faults.push(format!("{name} and {name}_file are both given; keep one of them"));
            }
            match secret_file(path) {
                Ok(text) => *secret = Secret::new(text),
                Err(error) => faults.push(format!("{name}_file: {} can't be read: {error}", path.display())),
            }
        }
        let urls = [
            ("queue.url", &mut self.queue.url, &self.queue.url_file),
            ("store.url", &mut self.store.url, &self.store.url_file),
        ];
        for (name, url, file) in urls {
            let Some(path) = file else { continue };
            match secret_file(path) {
                Ok(text) => *url = BackEndUrl::new(text),
                Err(error) => faults.push(format!("{name}_file: {} can't be read: {error}", path.display())),
            }
        }
    }

    /// Checks what one value alone can't tell. Every fault is named, not just the first.
    pub(crate) fn check(&self, faults: &mut Vec<String>) {
        if let Err(fault) = self.back_ends() {
            faults.push(fault);
        }
        self.carriers.check(faults);
        self.check_members(faults);
        if self.returns.result_url.is_some() && self.returns.signing_secret.get().is_none() {
            faults.push(
                "returns.signing_secret is missing; results are signed with it (whsec_ and base64)"
                    .to_owned(),
            );
        }
        if self.slack.bot_token.get().is_some() && self.slack.channel.is_empty() {
            faults.push("slack.channel is missing; a bot token needs the channel to post to".to_owned());
        }
        if !self.mail.host.is_empty() && (self.mail.from.is_empty() || self.mail.to.is_empty()) {
            faults.push("mail.from and mail.to are needed when mail.host is given".to_owned());
        }
        if self.intake.spool_max_events == 0 || self.intake.spool_max_bytes == 0 {
            faults.push(
                "intake: spool_max_events and spool_max_bytes must be above 0; for no spool set spool to \"\""
                    .to_owned(),
            );
        }
        if self.work.concurrency == 0 || self.work.concurrency > 64 {
            faults.push(format!("work.concurrency is {}; it must be 1 to 64", self.work.concurrency));
        }
        if self.work.drain_within_s == 0 {
            faults.push("work.drain_within_s must be above 0".to_owned());
        }
        if self.alerts.group_wait_s < 0.0
            || self.alerts.update_every_s <= 0.0
            || self.alerts.repeat_every_s <= 0.0
        {
            faults.push(
                "alerts: group_wait_s must be 0 or more, update_every_s and repeat_every_s above 0"
                    .to_owned(),
            );
        }
        for (name, value) in self.alerts.limits.settings() {
            if !value.is_finite() || value <= 0.0 {
                faults.push(format!("alerts.limits.{name} is {value}; it must be above 0"));
            }
        }
        let retention = &self.retention;
        let needed = retention.dead_letters_days.saturating_add(RETRY_DAYS + SPARE_DAYS);
        if retention.inbox_days < needed {
            faults.push(format!(
                "retention.inbox_days is {}; with retention.dead_letters_days {} it must be at least {needed}, or a \
                 replayed dead letter could have its effect twice",
                retention.inbox_days, retention.dead_letters_days
            ));
        }
        let kept = [
            ("dead_letters_days", retention.dead_letters_days),
            ("closed_dead_letters_days", retention.closed_dead_letters_days),
            ("incidents_days", retention.incidents_days),
            ("audit_days", retention.audit_days),
        ];
        for (name, _) in kept.iter().filter(|(_, days)| *days == 0) {
            faults.push(format!("retention.{name} is 0; it must be above 0"));
        }
        if let Err(error) = self.log.format.parse::<forebay_telemetry::LogFormat>() {
            faults.push(format!("log.format {error}"));
        }
        if self.traces.endpoint.is_some() && !cfg!(feature = "otlp") {
            faults.push(
                "traces.endpoint is given, but this forebay was built without the feature otlp; build it with \
                 `--features otlp` or take the setting out"
                    .to_owned(),
            );
        }
        if !(0.0..=1.0).contains(&self.traces.sample) {
            faults.push(format!("traces.sample is {}; it must be 0 to 1", self.traces.sample));
        }
        for key in &self.keys {
            if key.id.starts_with("dev") {
                faults
                    .push(format!("keys: \"{}\" is a key of `forebay dev`; it is refused elsewhere", key.id));
            }
        }
    }
}
