//! Packs the JSON Schemas: 94 KB of text that only `bgo schema` reads are 14 KB in the binary.
#![allow(missing_docs)]

use flate2::{Compression, GzBuilder};
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::PathBuf;

const SCHEMAS: &str = "src/view/schemas.json";

fn main() -> io::Result<()> {
    println!("cargo::rerun-if-changed={SCHEMAS}");
    let folder = std::env::var_os("OUT_DIR").map(PathBuf::from).ok_or(io::ErrorKind::NotFound)?;
    let packed = File::create(folder.join("schemas.json.gz"))?;
    // Without a time in it, so that the same sources make the same binary.
    let mut gzip = GzBuilder::new().mtime(0).write(packed, Compression::best());
    gzip.write_all(&fs::read(SCHEMAS)?)?;
    gzip.finish().map(drop)
}
