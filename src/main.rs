//! The `bgo` command: a sidecar if it is told to be one, else the command line.
#![no_main]

bgo::entry!(run);

fn run() -> u8 {
    let mut arguments = std::env::args_os();
    // Before anything is built: a sidecar's memory is what it has ever touched.
    if arguments.nth(1).is_some_and(|first| first == bgo::sidecar::ENTRY) {
        return bgo::sidecar::main(arguments);
    }
    bgo::commands::main()
}
