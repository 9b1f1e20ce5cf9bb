//! The verbs by which a program finds out about bgo: `capabilities`, `schema`, `examples`; and `man`.

use clap::Args;
use std::path::PathBuf;

// `capabilities`
#[derive(Debug, Args)]
#[expect(missing_docs, reason = "clap would take it for the text of the verb")]
pub struct CapabilitiesArgs {
    /// Only these commands, with all that they take
    #[arg(value_name = "VERB")]
    pub commands: Vec<String>,
}

// `schema`
#[derive(Debug, Args)]
#[expect(missing_docs, reason = "clap would take it for the text of the verb")]
pub struct SchemaArgs {
    /// list, show, or the name of a schema such as bgo.toml [default: list]
    #[arg(value_name = "WHAT")]
    pub what: Option<String>,
    /// Which to show
    #[arg(value_name = "TOPIC")]
    pub topic: Option<String>,
}

// `examples`
#[derive(Debug, Args)]
#[expect(missing_docs, reason = "clap would take it for the text of the verb")]
pub struct ExamplesArgs {
    /// list, show, or a verb [default: list]
    #[arg(value_name = "WHAT")]
    pub what: Option<String>,
    /// The verb whose examples to show
    #[arg(value_name = "VERB")]
    pub verb: Option<String>,
}

// `man`
#[derive(Debug, Args)]
#[expect(missing_docs, reason = "clap would take it for the text of the verb")]
pub struct ManArgs {
    /// Folder to write them into, a page a command [default: that of bgo itself, to standard output]
    #[arg(value_name = "DIR")]
    pub dir: Option<PathBuf>,
}
