//! `.env` files.
//!
//! Why it exists: there is no standard, and every tool reads them a little differently. This reader takes what all of
//! them agree on, byte for byte, and refuses what they do not, rather than guess at somebody's password.
//!
//! ```text
//! # a comment                      blank lines and comments are passed over
//! export NAME=value                export is passed over; there may be blanks around the =
//! A=two words # comment            ends with the line, or at a # behind a blank; blanks at its end do not count
//! B='as it stands, "#" and \n'     to the next ', over several lines if need be
//! C=`the same`                     to the next `
//! D="tab \t quote \" line \n"      \n \r \t \" \\ \$ \` are escapes, a \ before anything else stands for itself
//! ```
//!
//! A `$` is a character like any other. Docker, systemd and node do not expand it, Compose and others do; who means a
//! variable sees the difference at once, but who has it in a password would look for a long time. Lines end with LF or
//! CRLF, and within quotes either is a LF.

use super::env_file::Flaw;
use super::raw::Raw;

/// The variables in `text`, in its order.
///
/// # Errors
/// The first flaw.
pub fn parse(text: &[u8]) -> Result<Vec<(Raw, Raw)>, Flaw> {
    let mut reader = Reader { text, at: 0 };
    let mut found = Vec::new();
    while let Some(next) = reader.next_statement() {
        if next == b'#' {
            reader.skip_line();
        } else {
            found.push(reader.assignment()?);
        }
    }
    Ok(found)
}

struct Reader<'a> {
    text: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn flaw<T>(&self, at: usize, what: impl Into<String>) -> Result<T, Flaw> {
        Err(Flaw::new(self.text, at, what))
    }

    fn skip(&mut self, is_skipped: impl Fn(u8) -> bool) {
        while self.peek().is_some_and(&is_skipped) {
            self.at += 1;
        }
    }

    fn skip_line(&mut self) {
        self.skip(|b| b != b'\n');
    }

    /// The first byte of the next line that has one.
    fn next_statement(&mut self) -> Option<u8> {
        self.skip(|b| b == b'\n' || is_blank(b));
        self.peek()
    }

    /// The character at the cursor, as an error shows it.
    fn shown(&self) -> String {
        let rest = &self.text[self.at..self.text.len().min(self.at + 4)];
        let found = String::from_utf8_lossy(rest).chars().next();
        match found {
            None | Some('\n' | '\r') => "the end of the line".to_owned(),
            Some(c) => format!("\"{c}\""),
        }
    }

    fn assignment(&mut self) -> Result<(Raw, Raw), Flaw> {
        let mut name = self.name()?;
        if name.as_bytes() == b"export" && self.peek().is_some_and(is_blank) {
            self.skip(is_blank);
            if self.peek() != Some(b'=') {
                name = self.name()?;
            }
        }
        self.skip(is_blank);
        if self.peek() != Some(b'=') {
            return self.flaw(self.at, format!("= expected behind the name, not {}", self.shown()));
        }
        self.at += 1;
        let value = self.value()?;
        Ok((name, Raw::from(value)))
    }

    fn name(&mut self) -> Result<Raw, Flaw> {
        let start = self.at;
        if !self.peek().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_') {
            return self.flaw(start, format!("a name begins with a letter or _, not with {}", self.shown()));
        }
        self.skip(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'));
        Ok(Raw::from(self.text[start..self.at].to_vec()))
    }

    fn value(&mut self) -> Result<Vec<u8>, Flaw> {
        // The = itself is no blank: a # right behind it belongs to the value.
        let bare = self.at;
        self.skip(is_blank);
        match self.peek() {
            Some(quote @ (b'"' | b'\'' | b'`')) => {
                let value = self.quoted(quote)?;
                self.skip(is_blank);
                match self.peek() {
                    None | Some(b'\n') => {}
                    Some(b'#') => self.skip_line(),
                    Some(_) => return self.flaw(self.at, "text after the closing quote"),
                }
                Ok(value)
            }
            _ => Ok(self.unquoted(bare)),
        }
    }

    fn unquoted(&mut self, start: usize) -> Vec<u8> {
        self.at = start;
        self.skip_line();
        let line = &self.text[start..self.at];
        let comment = line.windows(2).position(|pair| is_blank(pair[0]) && pair[1] == b'#');
        line[..comment.unwrap_or(line.len())].trim_ascii().to_vec()
    }

    fn quoted(&mut self, quote: u8) -> Result<Vec<u8>, Flaw> {
        let start = self.at;
        let mut value = Vec::new();
        self.at += 1;
        loop {
            let rest = &self.text[self.at..];
            let (bytes, length): (&[u8], usize) = match rest {
                [] => return self.flaw(start, format!("the quote {} is not closed", char::from(quote))),
                [end, ..] if *end == quote => {
                    self.at += 1;
                    return Ok(value);
                }
                [b'\r', b'\n', ..] => (b"\n", 2),
                [b'\\', escaped, ..] if quote == b'"' => match escaped {
                    b'n' => (b"\n", 2),
                    b'r' => (b"\r", 2),
                    b't' => (b"\t", 2),
                    b'"' | b'\\' | b'$' | b'`' => (&rest[1..2], 2),
                    _ => (b"\\", 1),
                },
                _ => (&rest[..1], 1),
            };
            value.extend_from_slice(bytes);
            self.at += length;
        }
    }
}

fn is_blank(byte: u8) -> bool {
    byte != b'\n' && byte.is_ascii_whitespace()
}

#[cfg(test)]
mod tests {
    use super::super::dice::Dice;
    use super::*;

    fn pairs(text: &[u8]) -> Vec<(String, Vec<u8>)> {
        let parsed = parse(text).unwrap_or_else(|flaw| panic!("{flaw}: {:?}", String::from_utf8_lossy(text)));
        parsed.iter().map(|(key, value)| (key.lossy().into_owned(), value.as_bytes().to_vec())).collect()
    }

    /// Of one assignment to `A`.
    fn value(text: &str) -> String {
        let found = pairs(text.as_bytes());
        assert_eq!((found.len(), found[0].0.as_str()), (1, "A"), "{text:?}");
        String::from_utf8(found[0].1.clone()).unwrap()
    }

    #[test]
    fn values_are_what_was_written() {
        for (text, expected) in [
            ("A=1", "1"),
            ("A=", ""),
            ("A=''", ""),
            ("A=\"\"", ""),
            ("A=  spaced out  ", "spaced out"),
            ("  A \t=\t1\t", "1"),
            ("export A=1", "1"),
            ("export\t A = 1", "1"),
            ("A=1 # comment", "1"),
            ("A=1\t# comment", "1"),
            ("A=1#no comment", "1#no comment"),
            ("A=#no comment", "#no comment"),
            ("A= # comment", ""),
            ("A=http://h/#top # comment", "http://h/#top"),
            ("A='1 # no comment' # comment", "1 # no comment"),
            ("A='1'#comment", "1"),
            ("A=it's", "it's"),
            ("A=say \"hi\"", "say \"hi\""),
            ("A=a=b=c", "a=b=c"),
            ("A==", "="),
            ("A=$HOME ${HOME} $(date)", "$HOME ${HOME} $(date)"),
            ("A=\"$HOME \\$HOME\"", "$HOME $HOME"),
            ("A=a\\nb \\", "a\\nb \\"),
            ("A='a\\nb\\'", "a\\nb\\"),
            ("A=\"a\\nb\\r\\t\\\\\\\"c\"", "a\nb\r\t\\\"c"),
            ("A=\"C:\\dir\\x\"", "C:\\dir\\x"),
            ("A=\"\\\\n\"", "\\n"),
            ("A=`it's \"so\" \\n`", "it's \"so\" \\n"),
            ("A='\"'", "\""),
            ("A=\"'`\"", "'`"),
            ("A='one\ntwo\n# three'", "one\ntwo\n# three"),
            ("A=\"one\r\ntwo\"\r\n", "one\ntwo"),
            ("A=\"one\\\ntwo\"", "one\\\ntwo"),
            ("A=1\r\n", "1"),
            ("A='1'\r\n", "1"),
            ("A=日本 🦀", "日本 🦀"),
            ("\r\n\n # c\n\t\nA=1\n#", "1"),
        ] {
            assert_eq!(value(text), expected, "{text:?}");
        }
    }

    #[test]
    fn any_bytes_but_nul_are_a_value() {
        assert_eq!(
            pairs(b"A=\xff\xfe\nB='\xc3'"),
            [("A".to_owned(), b"\xff\xfe".to_vec()), ("B".into(), b"\xc3".to_vec())]
        );
    }

    #[test]
    fn names_and_order_are_kept() {
        let text = b"export=1\nB.b-c_1=2\n_=3\nexport export=4\nB.b-c_1=5\nexport = 6";
        let found: Vec<String> =
            pairs(text).iter().map(|(k, v)| format!("{k}={}", String::from_utf8_lossy(v))).collect();
        assert_eq!(found, ["export=1", "B.b-c_1=2", "_=3", "export=4", "B.b-c_1=5", "export=6"]);
        assert_eq!(pairs(b""), []);
        assert_eq!(pairs(b"\n\r\n  # nothing"), []);
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        for (text, expected) in [
            ("A", "1:2: = expected behind the name, not the end of the line"),
            ("A=1\n\nexport B\nC=1", "3:9: = expected behind the name, not the end of the line"),
            ("A=1\r\nexport\r\n", "2:8: a name begins with a letter or _, not with the end of the line"),
            ("KEY: 1", "1:4: = expected behind the name, not \":\""),
            ("set A=1", "1:5: = expected behind the name, not \"A\""),
            ("1A=1", "1:1: a name begins with a letter or _, not with \"1\""),
            ("  =1", "1:3: a name begins with a letter or _, not with \"=\""),
            ("export 'A'=1", "1:8: a name begins with a letter or _, not with \"'\""),
            ("é=1", "1:1: a name begins with a letter or _, not with \"é\""),
            ("A b=1", "1:3: = expected behind the name, not \"b\""),
            ("A$B=1", "1:2: = expected behind the name, not \"$\""),
            ("x=1\nA='1\nB=2\n", "2:3: the quote ' is not closed"),
            ("A=\"1\\\"", "1:3: the quote \" is not closed"),
            ("A=`1", "1:3: the quote ` is not closed"),
            ("A='1' 2", "1:7: text after the closing quote"),
            ("A=\"1\"\"2\"", "1:6: text after the closing quote"),
        ] {
            assert_eq!(parse(text.as_bytes()).unwrap_err().to_string(), expected, "{text:?}");
        }
    }

    /// Whatever stands there is read or refused, and a value in single quotes comes back as it was.
    #[test]
    fn no_text_is_too_odd() {
        let words = ["A", "=", "'", "\"", "`", "\\", "\n", "\r\n", "#", " ", "export ", "$", "é", "\\n"];
        for seed in 0..20_000 {
            let text = Dice::new(seed).text(&words, 12);
            if let Err(flaw) = parse(text.as_bytes()) {
                assert!(flaw.line >= 1 && flaw.column >= 1 && !flaw.what.is_empty(), "{text:?}");
            }
            if !text.contains(['\'', '\r']) {
                assert_eq!(value(&format!("A='{text}'")), text);
            }
        }
    }
}
