//! Which values of an environment, and what of a command, are secrets.
//!
//! Why it exists: an environment is looked at on shared screens and pasted into issues. Invariant: what looks like a
//! secret is taken for one; a name that is hidden without need costs a `--show`, one that is shown costs a password.

use super::raw::Raw;

/// What stands for a secret.
pub const MASK: &str = "***";

/// Words of a name that say that its value is a secret.
const WORDS: [&str; 22] = [
    "APIKEY",
    "AUTH",
    "AUTHORIZATION",
    "COOKIE",
    "CRED",
    "CREDENTIAL",
    "CREDENTIALS",
    "CREDS",
    "JWT",
    "KEY",
    "KEYS",
    "PASS",
    "PASSPHRASE",
    "PASSWD",
    "PASSWORD",
    "PASSWORDS",
    "PRIVATE",
    "PWD",
    "SECRET",
    "SECRETS",
    "TOKEN",
    "TOKENS",
];

/// Ends of words that say so, too: `PGPASSWORD`, `AUTHTOKEN`.
const ENDS: [&str; 6] = ["APIKEY", "PASSPHRASE", "PASSWD", "PASSWORD", "SECRET", "TOKEN"];

/// Names that have such a word, and hold a folder.
const FOLDERS: [&str; 2] = ["PWD", "OLDPWD"];

/// The value of the variable `name` as it may be shown, if there is a secret in it.
pub fn masked(name: &Raw, value: &Raw) -> Option<Raw> {
    if value.as_bytes().is_empty() {
        return None;
    }
    let text = value.as_bytes();
    let is_key = text.windows(PEM.len()).any(|part| part == PEM);
    if is_key || is_secret_name(&name.lossy()) {
        return Some(Raw::from(MASK));
    }
    let shown = without_passwords(text);
    (shown != text).then(|| Raw::from(shown))
}

/// Whether there is what looks like a secret in what was typed: the words of a command, a line of a shell, a URL.
pub fn is_typed<'t>(texts: impl IntoIterator<Item = &'t str>) -> bool {
    // Whether the word before is the name of a secret, whose value is the next: `--password x`, `Authorization: x`.
    let mut is_named = false;
    for text in texts {
        let bytes = text.as_bytes();
        if bytes.windows(PEM.len()).any(|part| part == PEM) || without_passwords(bytes) != bytes {
            return true;
        }
        let words = text.split(|c: char| c.is_whitespace() || "\"'`?&;(){},".contains(c));
        for word in words.filter(|word| !word.is_empty()) {
            let is_scheme = ["Basic", "Bearer"].iter().any(|scheme| scheme.eq_ignore_ascii_case(word));
            if is_named && is_scheme {
                continue;
            }
            let (name, value) = word.split_once(['=', ':']).unwrap_or((word, ""));
            let is_secret =
                name.chars().all(|c| c.is_ascii_alphanumeric() || "_-.".contains(c)) && is_secret_name(name);
            if is_named && is_value(word) || is_secret && is_value(value) {
                return true;
            }
            is_named = is_secret && value.is_empty() && (word.starts_with('-') || word.len() > name.len());
        }
    }
    false
}

/// Not a flag, a variable, or a file.
fn is_value(word: &str) -> bool {
    !word.is_empty() && !word.starts_with(['-', '$', '/', '~', '<', '>', '|', '=', ':'])
}

const PEM: &[u8] = b"PRIVATE KEY-----";

fn is_secret_name(name: &str) -> bool {
    if FOLDERS.contains(&name) {
        return false;
    }
    let mut words = name.split(|c: char| !c.is_ascii_alphanumeric()).flat_map(humps);
    words.any(|word| {
        let word = word.to_ascii_uppercase();
        WORDS.contains(&word.as_str()) || ENDS.iter().any(|end| word.ends_with(end))
    })
}

/// The words of `camelCase`, and the whole.
fn humps(word: &str) -> impl Iterator<Item = &str> {
    let mut starts = vec![0];
    let pairs = word.as_bytes().windows(2).enumerate();
    starts.extend(pairs.filter(|(_, p)| p[0].is_ascii_lowercase() && p[1].is_ascii_uppercase()).map(|(at, _)| at + 1));
    let ends: Vec<usize> = starts.iter().skip(1).copied().chain([word.len()]).collect();
    starts.into_iter().zip(ends).map(|(start, end)| &word[start..end]).chain([word])
}

/// `text` with the passwords of the URLs in it masked: `postgres://user:***@host`.
fn without_passwords(text: &[u8]) -> Vec<u8> {
    const SCHEME: &[u8] = b"://";
    let mut shown = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.windows(SCHEME.len()).position(|part| part == SCHEME) {
        let (before, after) = rest.split_at(at + SCHEME.len());
        shown.extend_from_slice(before);
        let ends = |b: &u8| b.is_ascii_whitespace() || matches!(b, b'/' | b'?' | b'#' | b'"' | b'\'');
        let authority = &after[..after.iter().position(ends).unwrap_or(after.len())];
        let user = authority.iter().rposition(|&b| b == b'@').map_or(&[][..], |at| &authority[..at]);
        if let Some(colon) = user.iter().position(|&b| b == b':').filter(|colon| colon + 1 < user.len()) {
            shown.extend_from_slice(&user[..=colon]);
            shown.extend_from_slice(MASK.as_bytes());
        } else {
            shown.extend_from_slice(user);
        }
        // Not behind the authority: another URL may begin in what looks like it.
        rest = &after[user.len()..];
    }
    shown.extend_from_slice(rest);
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_secrets() {
        for name in [
            "TOKEN",
            "GITHUB_TOKEN",
            "AWS_SECRET_ACCESS_KEY",
            "PGPASSWORD",
            "MYSQL_PWD",
            "db_pass",
            "apiKey",
            "ApiKeyV2",
            "STRIPE-KEY",
            "npm_config__authToken",
            "BASIC_AUTH",
            "GOOGLE_APPLICATION_CREDENTIALS",
            "jwt",
            "SSH_PASSPHRASE",
        ] {
            assert_eq!(masked(&name.into(), &"x".into()), Some(MASK.into()), "{name}");
        }
        for name in ["PWD", "OLDPWD", "KEYBOARD", "AUTHOR", "MONKEY", "PATH", "PASSENGER", "XAUTHORITY", "COMPASS", ""]
        {
            assert_eq!(masked(&name.into(), &"x".into()), None, "{name}");
        }
        assert_eq!(masked(&"TOKEN".into(), &"".into()), None, "there is nothing to hide");
    }

    #[test]
    fn what_is_typed_tells_secrets() {
        for words in [
            &["--password=hunter2"][..],
            &["--password", "hunter2"],
            &["-Dapi.key=x"],
            &["psql", "postgres://u:p@h/db"],
            &["curl -H 'Authorization: Bearer abc' http://h"],
            &["curl -H X-Api-Key:abc http://h"],
            &["http://h/health?a=1&token=abc"],
            &["PGPASSWORD=x pg_isready"],
            &["-----BEGIN PRIVATE KEY-----"],
        ] {
            assert!(is_typed(words.iter().copied()), "{words:?}");
        }
        for words in [
            &["python3", "-m", "http.server", "8080"][..],
            &["--password=$PASSWORD", "--token"],
            &["--password", "--verbose"],
            &["curl -H \"Authorization: Bearer $TOKEN\" http://h/x?a=1"],
            &["--tls-key=/etc/tls.pem", "--key", "/etc/tls.pem", "--password-file", "~/x"],
            &["token", "list"],
            &["sh", "-c", "echo $A; exec sleep 60"],
            &[],
        ] {
            assert!(!is_typed(words.iter().copied()), "{words:?}");
        }
    }

    #[test]
    fn values_tell_secrets() {
        for (value, shown) in [
            ("postgres://u:p@h:5432/db?x=1", "postgres://u:***@h:5432/db?x=1"),
            ("redis://:p@h", "redis://:***@h"),
            ("a://u:p@h,b://v:q:r@i/x", "a://u:***@h,b://v:***@i/x"),
            ("a://u:p@h b://v:q:r@i/x", "a://u:***@h b://v:***@i/x"),
            ("mongodb://u:p@@h1,h2/db", "mongodb://u:***@h1,h2/db"),
            ("-----BEGIN RSA PRIVATE KEY-----\nMIIE", "***"),
        ] {
            assert_eq!(masked(&"X".into(), &value.into()), Some(shown.into()), "{value}");
        }
        for value in ["http://h:80/x@y:z", "ssh://git@h", "u:p@h", "://", "a://u:@h", "a://", "\u{fffd}://é"] {
            assert_eq!(masked(&"X".into(), &value.into()), None, "{value}");
        }
        assert_eq!(
            masked(&"X".into(), &Raw::from(b"\xff://u:p@\xff".to_vec())),
            Some(b"\xff://u:***@\xff".to_vec().into())
        );
    }
}
