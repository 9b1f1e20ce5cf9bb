//! `man`: the manual pages are whole, and what reads such pages takes them.

use crate::env::TestEnv;
use std::fs;
use std::process::Command;

#[test]
fn every_command_has_a_page_that_man_takes_without_complaint() {
    let env = TestEnv::new();
    let folder = env.work().join("share/man1");
    env.bgo(&["man", "share/man1"]).ok();
    let mut files: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let told = env.bgo(&["man", "share/man1", "--json"]).ok().json();
    assert_eq!(told["files"].as_array().unwrap().len(), files.len());
    let verbs = env.bgo(&["capabilities"]).ok().json();
    for verb in verbs["commands"].as_array().unwrap() {
        assert!(folder.join(format!("bgo-{}.1", verb["name"].as_str().unwrap())).exists(), "{verb}");
    }
    let out = Command::new("groff").args(["-man", "-Kutf8", "-Tutf8", "-ww", "-z"]).args(&files).output();
    let Ok(out) = out else {
        eprintln!("SKIPPED: groff is not installed");
        return;
    };
    assert_eq!((out.status.code(), String::from_utf8_lossy(&out.stderr).as_ref()), (Some(0), ""));
    let page = Command::new("groff").args(["-man", "-Kutf8", "-Tascii", "-P-cbou"]).arg(folder.join("bgo.1")).output();
    let page = String::from_utf8_lossy(&page.unwrap().stdout).into_owned();
    for part in ["NAME", "SYNOPSIS", "COMMANDS", "bgo-resurrect(1)", "BGO_HOME", "EXIT STATUS", "124"] {
        assert!(page.contains(part), "no {part} in {page}");
    }
}

#[test]
fn the_page_of_bgo_itself_goes_to_standard_output_and_a_bad_folder_is_named() {
    let env = TestEnv::new();
    let page = env.bgo(&["man"]).ok().stdout;
    assert!(page.contains(".TH BGO 1"), "{page}");
    assert_eq!(env.bgo(&["man", "--json"]).ok().json()["page"], page);
    fs::write(env.work().join("file"), "").unwrap();
    env.bgo(&["man", "file"]).code(1).says("", "bgo: cannot write file/bgo.1: Not a directory\n");
}
