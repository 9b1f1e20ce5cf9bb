//! `send`

use super::input;
use super::output::{Output, known_name};
use super::owners::Guard;
use crate::cli::SendArgs;
use crate::error::{ExitCode, Result};
use crate::ops::{self, Bgo, Sent};
use crate::view::json_send::SendReply;
use std::os::unix::ffi::OsStringExt;

/// Writes to the input of a process and says how much.
pub fn run(bgo: &Bgo, args: SendArgs, out: &Output) -> Result<ExitCode> {
    let name = known_name(bgo, &args.name)?;
    Guard::new(args.owners)?.check(bgo, &name)?;
    let mut bytes = match (args.text, args.file) {
        (Some(text), _) if text == "-" => input::of_stdin("what to send")?,
        (Some(text), _) => text.into_vec(),
        (None, Some(path)) => input::of_file("what to send", &path)?,
        (None, None) => Vec::new(),
    };
    bytes.extend(args.enter.then_some(b'\n'));
    let Sent { bytes, eof } =
        out.awaiting(&format!("sending to {name}"), || ops::send(bgo, &name, &bytes, args.eof, args.timeout.0))?;
    if out.is_json() {
        out.document(SendReply { name: name.to_string(), bytes, eof }.to_json());
        return Ok(ExitCode::Done);
    }
    let count = if bytes == 1 { "1 byte".to_owned() } else { format!("{bytes} bytes") };
    out.say(&match (bytes, eof) {
        (0, true) => format!("ended the input of \"{name}\""),
        (_, true) => format!("sent {count} to \"{name}\" and ended its input"),
        (_, false) => format!("sent {count} to \"{name}\""),
    });
    Ok(ExitCode::Done)
}
