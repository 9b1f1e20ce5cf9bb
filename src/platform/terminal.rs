//! The terminal: how large it is.
//!
//! Why it exists: tables and menus fit the window. Invariant: nothing here changes the terminal's mode.

use nix::errno::Errno;

/// The terminal on standard output: columns and rows; `None` if it is none or does not know.
pub fn terminal_size() -> Option<(usize, usize)> {
    // SAFETY: TIOCGWINSZ fills the winsize it is given; all zeroes is a valid one.
    let size = unsafe {
        let mut size: libc::winsize = std::mem::zeroed();
        Errno::result(libc::ioctl(libc::STDOUT_FILENO, libc::TIOCGWINSZ, &raw mut size)).ok()?;
        size
    };
    Some((usize::from(size.ws_col), usize::from(size.ws_row))).filter(|&(columns, _)| columns > 0)
}
