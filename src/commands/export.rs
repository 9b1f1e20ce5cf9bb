//! `export`

use super::output::{Output, name};
use super::select::{Selected, select};
use crate::cli::{ExportArgs, NomadDriver};
use crate::domain::export::{Format, Options, Process, export};
use crate::domain::name::Name;
use crate::error::{Error, ErrorKind, ExitCode, Result};
use crate::ops::{self, Bgo, ExportOf, ToWrite, job_to_export, jobs_to_export, process_to_export, write_exported};
use crate::view::export::{next_step, render, render_all};
use crate::view::json_export;

/// Prints or writes processes as another supervisor describes them.
pub fn run(bgo: &Bgo, args: &ExportArgs, out: &Output) -> Result<ExitCode> {
    let format = args.format.format();
    check(args, format)?;
    let processes = processes(bgo, args, out)?;
    let exported = export(format, &processes, &options(bgo, args)?)?;
    let files = exported.files.iter();
    let files = files.map(|file| ToWrite { name: file.name.clone(), text: render(file), is_private: file.is_private });
    let files: Vec<ToWrite> = files.collect();
    let written = match &args.out_dir {
        Some(folder) => write_exported(folder, &files, args.force)?,
        None => Vec::new(),
    };
    let texts: Vec<(String, String)> = files.into_iter().map(|file| (file.name, file.text)).collect();
    let paths: Vec<String> = written.iter().map(|path| path.display().to_string()).collect();
    if out.is_json() {
        out.document(json_export::exported(format, &exported, &texts, &paths));
        return Ok(ExitCode::Done);
    }
    for note in &exported.notes {
        out.note(&format!("bgo: note: \"{}\": {}", note.process, note.text()));
    }
    if let Some(folder) = &args.out_dir {
        paths.iter().for_each(|path| out.say(&format!("wrote {path}")));
        out.note(&format!("hint: {}", next_step(format, args.system, &folder.display().to_string(), &paths)));
    } else {
        out.print(&render_all(&texts));
    }
    Ok(ExitCode::Done)
}

fn options(bgo: &Bgo, args: &ExportArgs) -> Result<Options> {
    let user = ops::invoking_user();
    let is_systemd = args.format.format() == Format::Systemd;
    let units = if is_systemd { ops::other_units(args.system) } else { Vec::new() };
    let mut options = Options { system: args.system, user, units, images: args.image.clone(), ..Options::default() };
    if args.driver == Some(NomadDriver::Exec) {
        options.driver = "exec".to_owned();
    }
    if args.selector.project {
        options.name = bgo.the_project()?.name;
    }
    Ok(options)
}

/// Refuses flags that mean nothing for this format.
fn check(args: &ExportArgs, format: Format) -> Result<()> {
    let is_local = matches!(format, Format::Systemd | Format::Launchd);
    for (flag, wrong, hint) in [
        ("--image", !args.image.is_empty() && !format.has_images(), "it is for compose and k8s"),
        ("--system", args.system && !is_local, "it is for systemd and launchd"),
        ("--driver", args.driver.is_some() && format != Format::Nomad, "it is for nomad"),
    ] {
        if wrong {
            let what = format!("{flag} means nothing for {}", format.word());
            return Err(Error::new(ErrorKind::Usage, what).hint(hint));
        }
    }
    Ok(())
}

fn processes(bgo: &Bgo, args: &ExportArgs, out: &Output) -> Result<Vec<Process>> {
    let of = ExportOf { with_env: args.with_env, runs_here: !args.format.format().has_images() };
    let selector = &args.selector;
    let is_filtered = !selector.tag.is_empty() || selector.owner.is_some() || selector.mine || selector.cwd.is_some();
    if selector.project && !is_filtered {
        return jobs_to_export(&bgo.the_project()?, of);
    }
    let listed = |names: Vec<Name>| names.iter().map(|name| process_to_export(bgo, name, None, of)).collect();
    if args.all {
        bgo.store.check()?;
        let names = ops::names(bgo)?;
        if names.is_empty() {
            return Err(Error::new(ErrorKind::NotFound, "nothing is registered")
                .hint("bgo export --project takes the jobs of a bgo.toml, started or not; NAME takes one of them"));
        }
        return listed(names);
    }
    match select(bgo, out, selector)? {
        Selected::Listed(names) => listed(names),
        Selected::Typed(names) => {
            let mut processes: Vec<Process> = Vec::new();
            for text in &names {
                let process = one(bgo, &name(text).map_err(|_| bgo.not_found(&text.to_string_lossy()))?, of)?;
                // Typed twice it is still one.
                if processes.iter().all(|other| other.name != process.name) {
                    processes.push(process);
                }
            }
            Ok(processes)
        }
    }
}

/// What is registered so, else the job of that name.
fn one(bgo: &Bgo, name: &Name, of: ExportOf) -> Result<Process> {
    let root = bgo.project_root().ok().flatten();
    let registered = bgo.resolve(name).and_then(|own| process_to_export(bgo, &own, root.as_deref(), of));
    match registered {
        Err(error) if error.kind == ErrorKind::NotFound => match bgo.project()? {
            Some(project) => match project.file.job(name.as_str()) {
                Some(job) => job_to_export(&project, job, of),
                None => Err(error),
            },
            None => Err(error),
        },
        other => other,
    }
}
