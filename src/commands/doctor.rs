//! `doctor`

use super::output::Output;
use crate::cli::DoctorArgs;
use crate::domain::finding::{Finding, Severity};
use crate::error::{ExitCode, Result};
use crate::ops::Bgo;
use crate::ops::doctor::{Checked, doctor};
use crate::view;

/// Tells what is wrong and what mends it, or mends it.
pub fn run(bgo: &Bgo, args: DoctorArgs, out: &Output) -> Result<ExitCode> {
    let checks = doctor(bgo, args.fix)?;
    let findings: Vec<&Finding> = checks.iter().flat_map(|checked| &checked.findings).collect();
    if out.is_json() {
        out.document(view::json_doctor::doctor(findings.clone()));
    } else {
        let style = out.style(None);
        let line =
            |checked: &Checked| view::doctor::checked(checked.check(), checked.severity(), &checked.findings, &style);
        out.print(&checks.iter().map(line).collect::<String>());
        if !args.fix && findings.iter().any(|finding| finding.fixable) {
            out.note("hint: bgo doctor --fix mends what is safe to mend");
        }
    }
    let worst = checks.iter().map(Checked::severity).max();
    Ok(if worst == Some(Severity::Error) { ExitCode::Failed } else { ExitCode::Done })
}
