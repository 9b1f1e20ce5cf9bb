//! The `bgo` command: a sidecar or one of its helpers if it is told to be one, else the command line.
#![no_main]

bgo::entry!(run);

fn run() -> u8 {
    let mut arguments = std::env::args_os();
    // Before anything is built: a sidecar's memory is what it has ever touched.
    match arguments.nth(1) {
        Some(first) if first == bgo::sidecar::ENTRY => bgo::sidecar::main(arguments),
        Some(first) if first == bgo::sidecar::PROBE_ENTRY => bgo::sidecar::probe_main(arguments),
        Some(first) if first == bgo::sidecar::STDIN_ENTRY => bgo::sidecar::stdin_main(),
        Some(first) if first == bgo::logs::COMPRESS_ENTRY => bgo::logs::compress_main(arguments),
        _ => bgo::commands::main(),
    }
}
