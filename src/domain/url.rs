//! Web addresses, as far as a health check needs them: `http://HOST[:PORT][/PATH]`.
//!
//! Why it exists: the command line refuses at once what a probe could never get. Invariant: a [`Url`] holds only
//! printable ASCII without spaces, so that it can stand in a request as it is.

/// Where a plain HTTP request goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Url {
    /// A name or an address; one of IPv6 without its brackets.
    pub host: String,
    /// The TCP port.
    pub port: u16,
    /// Path and query, starting with `/`.
    pub target: String,
    /// Host and port as they were written: what a server wants to be called.
    pub authority: String,
}

/// Whether `text` is a URL that a health check can get.
///
/// # Errors
/// What is wrong with it, in words for whoever typed it.
pub fn check_url(text: &str) -> Result<(), String> {
    Url::parse(text).map(|_| ())
}

impl Url {
    /// Reads a URL; a fragment is dropped.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Url, String> {
        let bad = |why: &str| Err(format!("\"{}\" {why}", text.escape_debug()));
        if !text.bytes().all(|b| b.is_ascii_graphic()) {
            return bad("has characters that a URL must not have: spaces and the like as %20, other letters encoded");
        }
        let rest = match text.split_once("://") {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => rest,
            Some((scheme, _)) if scheme.eq_ignore_ascii_case("https") => {
                return bad(&format!(
                    "is HTTPS, and bgo speaks plain HTTP only: a command does it, --ready-when-cmd or --health-cmd 'curl -fsS {text}'"
                ));
            }
            _ => return bad("is not a URL such as http://localhost:8080/health"),
        };
        let rest = rest.split('#').next().unwrap_or_default();
        let (authority, target) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        if authority.contains('@') {
            return bad("has a user in it, which bgo does not send: --health-cmd 'curl -fsS …' does");
        }
        let (host, port) = match authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((host, port)) if host.parse::<std::net::Ipv6Addr>().is_ok() => (host, port),
            Some(_) => return bad("has no IPv6 address between the brackets"),
            None => authority.split_at(authority.find(':').unwrap_or(authority.len())),
        };
        let is_name = |host: &str| host.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b));
        if host.is_empty() || host.starts_with('-') || !(is_name(host) || host.contains(':')) {
            return bad("has no host in it, as in http://localhost:8080/health");
        }
        let port = match port.strip_prefix(':') {
            None if port.is_empty() => Some(80),
            None => None,
            Some(number) => Some(number).filter(|n| n.bytes().all(|b| b.is_ascii_digit())).and_then(|n| n.parse().ok()),
        };
        let Some(port) = port.filter(|&port| port > 0) else { return bad("has a port that is not 1 to 65535") };
        let slash = if target.starts_with('/') { "" } else { "/" };
        let (host, target) = (host.to_owned(), format!("{slash}{target}"));
        Ok(Url { host, port, target, authority: authority.to_owned() })
    }

    /// Where a redirection from here to `location` leads.
    ///
    /// # Errors
    /// It leads to something that cannot be got.
    pub fn join(&self, location: &str) -> Result<Url, String> {
        let path = self.target.split('?').next().unwrap_or_default();
        let authority = &self.authority;
        if location.contains("://") && !location.starts_with(['/', '?', '#']) {
            Url::parse(location)
        } else if let Some(rest) = location.strip_prefix("//") {
            Url::parse(&format!("http://{rest}"))
        } else if location.starts_with('/') {
            Url::parse(&format!("http://{authority}{location}"))
        } else if location.starts_with(['?', '#']) || location.is_empty() {
            Url::parse(&format!("http://{authority}{path}{location}"))
        } else {
            let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
            Url::parse(&format!("http://{authority}{folder}/{location}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(text: &str) -> (String, u16, String, String) {
        let url = Url::parse(text).unwrap();
        (url.host, url.port, url.target, url.authority)
    }

    #[test]
    fn a_plain_url_is_taken_apart() {
        let expect = |text, host: &str, port, target: &str, authority: &str| {
            assert_eq!(parts(text), (host.into(), port, target.into(), authority.into()), "{text}");
        };
        expect("http://localhost:8080/health", "localhost", 8080, "/health", "localhost:8080");
        expect("HTTP://a_b.example", "a_b.example", 80, "/", "a_b.example");
        expect("http://db?q=1#top", "db", 80, "/?q=1", "db");
        expect("http://[::1]:81/a?b=c/d#e", "::1", 81, "/a?b=c/d", "[::1]:81");
        expect("http://127.0.0.1/a%20b:c@d", "127.0.0.1", 80, "/a%20b:c@d", "127.0.0.1");
    }

    #[test]
    fn what_cannot_be_got_is_refused_with_the_reason() {
        for (text, reason) in [
            ("localhost:8080", "is not a URL such as"),
            ("", "is not a URL such as"),
            ("ftp://x/", "is not a URL such as"),
            ("http://", "has no host"),
            ("http:///x", "has no host"),
            ("http://:80/", "has no host"),
            ("http://-x/", "has no host"),
            ("http://a,b/", "has no host"),
            ("http://x:0/", "has a port"),
            ("http://x:/", "has a port"),
            ("http://x:65536/", "has a port"),
            ("http://x:+80/", "has a port"),
            ("http://[::1]80/", "has a port"),
            ("http://[x]/", "has no IPv6 address"),
            ("http://user:secret@x/", "has a user in it"),
            ("http://x/a b", "has characters"),
            ("http://x/\r\nA: b", "has characters"),
            ("http://münchen/", "has characters"),
        ] {
            let error = check_url(text).unwrap_err();
            assert!(error.contains(reason), "{error}");
            assert!(!error.contains('\r'), "{error}");
        }
        let https = check_url("https://x/health").unwrap_err();
        let command = "--health-cmd 'curl -fsS https://x/health'";
        assert!(https.contains("plain HTTP only") && https.contains(command), "{https}");
    }

    #[test]
    fn a_redirection_is_followed_from_where_it_was_met() {
        let from = Url::parse("http://web:81/a/b?c").unwrap();
        let to = |location| from.join(location).map(|url| format!("{}{}", url.authority, url.target));
        assert_eq!(to("http://db/x"), Ok("db/x".to_owned()));
        assert_eq!(to("//db/x"), Ok("db/x".to_owned()));
        assert_eq!(to("/x?next=http://y"), Ok("web:81/x?next=http://y".to_owned()));
        assert_eq!(to("x"), Ok("web:81/a/x".to_owned()));
        assert_eq!(to("?d"), Ok("web:81/a/b?d".to_owned()));
        assert!(to("https://web/").unwrap_err().contains("plain HTTP only"));
    }
}
