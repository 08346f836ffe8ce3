//! A mail as it came.

/// A mail.
#[derive(Debug, Clone)]
pub struct Mail {
    /// The envelope's sender.
    pub from: String,
    /// The envelope's recipients.
    pub to: Vec<String>,
    /// Headers and body as they came.
    pub data: String,
}

impl Mail {
    /// The headers, unfolded but not decoded, in their order.
    #[must_use]
    pub fn headers(&self) -> Vec<(String, String)> {
        let unfolded = self.parts().0.replace("\r\n ", " ").replace("\r\n\t", " ");
        let pairs = unfolded.lines().filter_map(|line| line.split_once(':'));
        pairs.map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned())).collect()
    }

    /// A header's value, whatever the case of its name.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<String> {
        self.headers().into_iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// What follows the headers, as it came.
    #[must_use]
    pub fn body(&self) -> &str {
        self.parts().1
    }

    /// Headers and body, parted by the first empty line.
    fn parts(&self) -> (&str, &str) {
        let without_headers = self.data.strip_prefix("\r\n").map(|body| ("", body));
        without_headers.or_else(|| self.data.split_once("\r\n\r\n")).unwrap_or((&self.data, ""))
    }
}
