//! The terminal: how wide it is.
//!
//! Why it exists: tables fit the window. Invariant: nothing here changes the terminal's mode.

use nix::errno::Errno;

/// The width of the terminal on standard output, in columns; `None` if it is none or does not know.
pub fn terminal_width() -> Option<usize> {
    // SAFETY: TIOCGWINSZ fills the winsize it is given; all zeroes is a valid one.
    let size = unsafe {
        let mut size: libc::winsize = std::mem::zeroed();
        Errno::result(libc::ioctl(libc::STDOUT_FILENO, libc::TIOCGWINSZ, &raw mut size)).ok()?;
        size
    };
    Some(usize::from(size.ws_col)).filter(|&columns| columns > 0)
}
