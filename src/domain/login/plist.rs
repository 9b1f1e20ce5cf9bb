//! The agent for launchd.
//!
//! Why it exists: see [`super`]. Invariant: `AbandonProcessGroup`: without it launchd ends all of a job's process group when
//! the job itself has ended.

use super::{Job, LABEL};
use crate::domain::seal::sealed;

/// The text of the property list.
pub(super) fn text(job: &Job) -> String {
    let environment = job.home.as_ref().map(|home| {
        format!(
            "\t<key>EnvironmentVariables</key>\n\t<dict>\n\t\t<key>BGO_HOME</key>\n\t\t<string>{}</string>\n\t</dict>\n",
            escaped(home)
        )
    });
    let text = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <!DOCTYPE plist PUBLIC \"-//Apple//DTD PLIST 1.0//EN\" \"http://www.apple.com/DTDs/PropertyList-1.0.dtd\">\n\
         <plist version=\"1.0\">\n\
         <dict>\n\
         \t<key>Label</key>\n\
         \t<string>{LABEL}</string>\n\
         \t<key>ProgramArguments</key>\n\
         \t<array>\n\
         \t\t<string>{program}</string>\n\
         \t\t<string>resurrect</string>\n\
         \t</array>\n\
         {environment}\
         \t<key>RunAtLoad</key>\n\
         \t<true/>\n\
         \t<key>AbandonProcessGroup</key>\n\
         \t<true/>\n\
         </dict>\n\
         </plist>\n\
         <!-- written by bgo autostart install",
        program = escaped(&job.program),
        environment = environment.unwrap_or_default(),
    );
    sealed(&text, " -->\n")
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// What was [`escaped`].
pub(super) fn unescaped(text: &str) -> String {
    text.replace("&gt;", ">").replace("&lt;", "<").replace("&amp;", "&")
}

#[cfg(test)]
mod tests {
    use super::super::tests::job;
    use super::*;

    #[test]
    fn odd_paths_are_escaped() {
        let text = text(&job("/a <b> & c/bgo", Some("/h&")));
        assert!(
            text.contains("\t\t<string>/a &lt;b&gt; &amp; c/bgo</string>\n\t\t<string>resurrect</string>\n"),
            "{text}"
        );
        assert!(text.contains("<key>BGO_HOME</key>\n\t\t<string>/h&amp;</string>"), "{text}");
    }
}
