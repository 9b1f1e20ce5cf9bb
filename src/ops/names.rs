//! Which process a name stands for, and which name the process of a job has.
//!
//! Why it exists: inside a project a short name means its job, whatever other projects there are. Invariants: a record
//! keeps the root of its project, so two projects with a job of one name never take each other's process; the name of a
//! job reaches no process that is not the project's.

use super::Bgo;
use super::jobs::ProjectFile;
use crate::domain::jobs::Job;
use crate::domain::name::{MAX_BYTES, Name};
use crate::domain::record::Record;
use crate::error::{Error, ErrorKind, Result};
use std::path::Path;

/// How many projects of one name may have a job of one name.
const SAME_NAMES: usize = 100;

impl Bgo {
    /// The process that `name` stands for where the caller is: the job of the project, else what is registered so.
    ///
    /// # Errors
    /// It is a job that is not registered, while a process of that name is none of this project.
    pub fn resolve(&self, name: &Name) -> Result<Name> {
        // A file of somebody else is not obeyed; that is no reason to refuse a stop.
        let Ok(Some(root)) = self.project_root() else { return Ok(name.clone()) };
        if let Some(own) = self.process_of(&root, name.as_str()) {
            return Ok(own);
        }
        let Some(record) = self.look(name) else { return Ok(name.clone()) };
        // A file that cannot be understood may have that job.
        if self.project().is_ok_and(|project| project.is_some_and(|project| project.file.job(name.as_str()).is_none()))
        {
            return Ok(name.clone());
        }
        Err(Error::new(ErrorKind::NotFound, format!("the job \"{name}\" of this project is not registered"))
            .because(match record.project {
                Some(other) => format!("the process \"{name}\" is of the project \"{}\"", other.root.lossy()),
                None => format!("the process \"{name}\" is of no project"),
            })
            .hint(format!("bgo up {shell} starts it; act on the other from another folder", shell = name.shell())))
    }

    /// The registered process that is the job `job` of the project at `root`.
    pub fn process_of(&self, root: &Path, job: &str) -> Option<Name> {
        let is_it = |name: &Name| {
            let project = self.look(name)?.project?;
            (project.root.as_path() == root && project.job == job).then(|| name.clone())
        };
        let first = Name::parse(job).ok().and_then(|name| is_it(&name));
        first.or_else(|| self.store.names().ok()?.iter().find_map(is_it))
    }

    fn look(&self, name: &Name) -> Option<Record> {
        self.store.read(name).ok().flatten()
    }
}

impl ProjectFile {
    /// The name that the process of `job` has, or will have: the job's own, or `<project>.<job>` if that is taken.
    ///
    /// # Errors
    /// No name is free.
    pub fn process_name(&self, bgo: &Bgo, job: &Job) -> Result<Name> {
        // What cannot be read may be its own.
        bgo.store.read(&job.name)?;
        if let Some(own) = bgo.process_of(&self.root, job.name.as_str()) {
            return Ok(own);
        }
        let full = |number: usize| {
            let project = if number < 2 { self.name.clone() } else { format!("{}-{number}", self.name) };
            let room = MAX_BYTES.saturating_sub(job.name.as_str().len() + 1);
            let kept = project.char_indices().take_while(|(at, c)| at + c.len_utf8() <= room).map(|(_, c)| c);
            Name::parse(&format!("{}.{}", kept.collect::<String>().trim_end(), job.name)).ok()
        };
        let is_of_another = |name: &Name| self.file.jobs.iter().any(|other| other.name == *name);
        let full = (1..SAME_NAMES).filter_map(full).filter(|name| !is_of_another(name));
        // Another command may have registered it since it was looked for: one look tells whether a name is free or its own.
        let is_ours = |name: &Name| match bgo.store.read(name) {
            Ok(None) => true,
            Ok(Some(record)) => {
                record.project.is_some_and(|of| of.root.as_path() == self.root && of.job == job.name.as_str())
            }
            Err(_) => false,
        };
        let mut names = std::iter::once(job.name.clone()).chain(full).filter(is_ours);
        names.next().ok_or_else(|| {
            Error::new(ErrorKind::Conflict, format!("no free name for the job \"{}\"", job.name))
                .hint("bgo clean frees some")
        })
    }

    /// The name of the process of the job called `job`; the word itself if there is none.
    pub fn name_of(&self, bgo: &Bgo, job: &str) -> String {
        let name = self.file.job(job).and_then(|job| self.process_name(bgo, job).ok());
        name.map_or_else(|| job.to_owned(), |name| name.to_string())
    }
}
