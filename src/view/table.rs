//! The process table of `status`.
//!
//! Why it exists: one look tells what runs, what does not, and what to type about it. Invariant: with a known width
//! no line takes more cells than that, all lines of a box take equally many, and whatever was cut shows it.
//!
//! Rendering goes over the rows twice: once to write every cell into one buffer and find the widths of the columns,
//! once to put the cells side by side.

use super::style::{Paint, Style};
use super::{end_of, text};
use crate::domain::record::State;
use crate::domain::row::Row;
use std::fmt::Write;

const COLUMNS: usize = 9;
const HEADERS: [&str; COLUMNS] = ["NAME", "STATUS", "PID", "CPU", "MEM", "UPTIME", "WATCH", "PORTS", "COMMAND"];
const NAME: usize = 0;
const STATUS: usize = 1;
const PID: usize = 2;
const CPU: usize = 3;
const MEM: usize = 4;
const UPTIME: usize = 5;
const WATCH: usize = 6;
/// Shown only where somebody has looked for ports.
const PORTS: usize = 7;
const COMMAND: usize = 8;

/// What goes first when the terminal is too narrow.
const DROP_ORDER: [usize; 6] = [MEM, CPU, UPTIME, WATCH, COMMAND, PORTS];
/// The command is cut down to this before a column goes.
const MIN_COMMAND: usize = 12;
/// A name is cut down to this before a column goes for it.
const SHORT_NAME: usize = 16;
const MIN_NAME: usize = 4;
/// How many ports a cell names; of more it tells how many.
const MAX_PORTS: usize = 4;
/// Cells between two columns.
const GAP: usize = 2;
/// Cells that `┃ ` and ` ┃` take.
const FRAME: usize = 4;
/// A box narrower than this would be all frame.
const MIN_BOX: usize = 12;
/// The length of rules where nothing limits it: a command of a megabyte needs no rule of a megabyte.
const MAX_RULE: usize = 120;
/// From how many processes on the same about each is said once.
const MANY: usize = 4;

/// The table of `rows`, with totals and what needs attention below it.
pub fn render(rows: &[Row], style: &Style) -> String {
    if rows.is_empty() {
        return format!("{}\n", style.fit_line("No processes. Start one: bgo NAME -- COMMAND"));
    }
    let cells = Cells::collect(rows, style);
    let layout = Layout::new(cells.widths, style);
    let mut out = String::with_capacity(rows.len() * (layout.total.min(400) + 32) + 512);
    layout.rule(&mut out, style, ['┏', '━', '┓']);
    layout.row(&mut out, style, HEADERS.map(|header| (header, header.len(), Paint::Bold)));
    layout.rule(&mut out, style, ['┣', '━', '┫']);
    for row in cells.rows() {
        layout.row(&mut out, style, row);
    }
    layout.rule(&mut out, style, ['┗', '━', '┛']);
    totals(&mut out, rows, style);
    errored(&mut out, rows, style);
    notes(&mut out, rows, style);
    out
}

/// The content of one cell: text, its width, its colour.
type Content<'a> = (&'a str, usize, Paint);

/// All cells of the table, row by row, in one buffer.
struct Cells {
    buffer: String,
    /// Where each cell ends in `buffer` (it begins where the one before ends), its width and its colour.
    cells: Vec<(usize, usize, Paint)>,
    widths: [usize; COLUMNS],
}

impl Cells {
    fn collect(rows: &[Row], style: &Style) -> Cells {
        let mut all = Cells {
            buffer: String::with_capacity(rows.len() * 96),
            cells: Vec::with_capacity(rows.len() * COLUMNS),
            widths: HEADERS.map(str::len),
        };
        let with_ports = rows.iter().any(|row| row.ports.is_some());
        if !with_ports {
            all.widths[PORTS] = 0;
        }
        for row in rows {
            all.push_row(row, style, with_ports);
        }
        all
    }

    /// Ends the cell that was being written.
    fn end(&mut self, paint: Paint) {
        let start = self.cells.last().map_or(0, |&(end, ..)| end);
        let width = text::cells(&self.buffer[start..]);
        let column = self.cells.len() % COLUMNS;
        self.widths[column] = self.widths[column].max(width);
        self.cells.push((self.buffer.len(), width, paint));
    }

    fn push_row(&mut self, row: &Row, style: &Style, with_ports: bool) {
        text::clean_into(&mut self.buffer, &row.name);
        self.end(Paint::None);
        if style.is_fancy() {
            self.buffer.push_str(if row.online { "● " } else { "○ " });
        }
        self.buffer.push_str(status_word(row));
        // What died, and how: a process that was stopped on request shows no more than that.
        if let Some(exit) = end_of(row).filter(|_| matches!(row.state, State::Exited | State::Errored)) {
            let _ = match (exit.code, exit.signal) {
                (Some(code), _) => write!(self.buffer, " ({code})"),
                (None, Some(signal)) => write!(self.buffer, " ({})", signal.to_string().trim_start_matches("SIG")),
                (None, None) => Ok(()),
            };
        }
        self.end(status_paint(row));
        let pid = row.pid.filter(|_| row.online);
        self.end_or_dash(pid, |out, pid| {
            let _ = write!(out, "{pid}");
        });
        self.end_or_dash(row.usage, |out, usage| {
            text::tenths_into(out, usage.cpu_percent);
            out.push('%');
        });
        self.end_or_dash(row.usage, |out, usage| text::size_into(out, usage.rss_bytes));
        self.end_or_dash(row.uptime.filter(|_| row.online), text::uptime_clock_into);
        let paint = watch_cell(&mut self.buffer, row, style);
        self.end(paint);
        if with_ports {
            self.end_or_dash(row.ports.as_deref().filter(|ports| !ports.is_empty()), ports_into);
        } else {
            self.end(Paint::None);
        }
        if row.state == State::Corrupt {
            text::clean_into(&mut self.buffer, &row.record_path.to_string_lossy());
        } else {
            for (i, word) in row.command.iter().enumerate() {
                self.buffer.push_str(if i > 0 { " " } else { "" });
                text::clean_into(&mut self.buffer, word);
            }
        }
        self.end(Paint::None);
    }

    fn end_or_dash<T>(&mut self, value: Option<T>, put: impl Fn(&mut String, T)) {
        match value {
            Some(value) => {
                put(&mut self.buffer, value);
                self.end(Paint::None);
            }
            None => {
                self.buffer.push('-');
                self.end(Paint::Dim);
            }
        }
    }

    fn rows(&self) -> impl Iterator<Item = [Content<'_>; COLUMNS]> {
        let mut start = 0;
        self.cells.chunks_exact(COLUMNS).map(move |row| {
            std::array::from_fn(|column| {
                let (end, width, paint) = row[column];
                let content = (&self.buffer[start..end], width, paint);
                start = end;
                content
            })
        })
    }
}

/// `80,443`, and of many the first ones and how many more.
fn ports_into(out: &mut String, ports: &[u16]) {
    let shown = if ports.len() > MAX_PORTS { MAX_PORTS - 1 } else { ports.len() };
    for (index, port) in ports[..shown].iter().enumerate() {
        let _ = write!(out, "{}{port}", if index > 0 { "," } else { "" });
    }
    if shown < ports.len() {
        let _ = write!(out, ",+{}", ports.len() - shown);
    }
}

/// The one word about a process. Scripts match `online` and `stopped`: the ordinary cases keep to these.
pub(super) fn status_word(row: &Row) -> &'static str {
    match (row.online, row.state) {
        (true, State::Detached) => "detached",
        (true, State::Stopping) => "stopping",
        (true, State::Unhealthy) => "unhealthy",
        (true, State::Ready) => "ready",
        (true, State::Paused) => "paused",
        (_, State::Starting) => "starting",
        (true, _) => "online",
        (false, State::Backoff) => "backoff",
        (false, State::Waiting) => "waiting",
        (false, State::Unknown) => "unknown",
        (false, State::Corrupt) => "corrupt",
        (false, _) => "stopped",
    }
}

pub(super) fn status_paint(row: &Row) -> Paint {
    match (row.online, row.state) {
        (true, State::Unhealthy) | (_, State::Errored | State::Corrupt) => Paint::Bad,
        (true, State::Detached | State::Paused | State::Stopping) | (_, State::Starting) => Paint::Warn,
        (true, _) => Paint::Good,
        (false, _) if row.is_errored() => Paint::Bad,
        (false, State::Backoff | State::Unknown) => Paint::Warn,
        (false, State::Exited | State::Waiting) if end_of(row).is_some_and(|exit| !exit.outcome().is_success()) => {
            Paint::Warn
        }
        (false, _) => Paint::Dim,
    }
}

/// Whether supervision was asked for (watch mode, checks, limits) and nobody does it: the sidecar is dead.
fn has_dead_watcher(row: &Row) -> bool {
    let watched = row.watch.as_ref().is_some_and(|watch| watch.enabled);
    let cut_off = row.state == State::Exited && row.end.is_none() && row.sidecar.is_some();
    (row.online && (watched || row.settings.needs_sidecar()) || watched && cut_off) && !row.watcher_lives()
}

fn watch_cell(out: &mut String, row: &Row, style: &Style) -> Paint {
    match &row.watch {
        _ if row.is_errored() => {
            out.push_str(style.glyph("⚠ errored", "[!] errored"));
            Paint::Bad
        }
        _ if has_dead_watcher(row) => {
            out.push_str("! dead");
            Paint::Bad
        }
        Some(watch) if watch.enabled => {
            let _ = write!(out, "{} {}", style.glyph("✓", "[W]"), watch.restarts);
            Paint::Good
        }
        _ => {
            out.push_str(style.glyph("·", "-"));
            Paint::Dim
        }
    }
}

/// Which columns are shown, and how wide.
struct Layout {
    /// 0: not shown.
    widths: [usize; COLUMNS],
    boxed: bool,
    total: usize,
    /// The last column of a table without a box is not padded.
    last: usize,
}

impl Layout {
    fn new(content: [usize; COLUMNS], style: &Style) -> Layout {
        let boxed = style.is_fancy() && style.width.is_none_or(|width| width >= MIN_BOX);
        let frame = if boxed { FRAME } else { 0 };
        let mut widths = content;
        if let Some(limit) = style.width {
            squeeze(&mut widths, limit.saturating_sub(frame).max(1));
        }
        let last = widths.iter().rposition(|&width| width > 0).unwrap_or(NAME);
        Layout { widths, boxed, total: frame + content_width(&widths), last }
    }

    fn rule(&self, out: &mut String, style: &Style, [left, line, right]: [char; 3]) {
        let mut rule = String::with_capacity(self.total * 3);
        if self.boxed {
            rule.push(left);
            rule.extend(std::iter::repeat_n(line, self.total.saturating_sub(2)));
            rule.push(right);
        } else if left == '┏' {
            return; // Without a box the header is the first line.
        } else {
            let length = self.total.min(style.width.unwrap_or(MAX_RULE));
            rule.extend(std::iter::repeat_n('-', length));
        }
        paint(out, style, Paint::Dim, &rule);
        out.push('\n');
    }

    fn row(&self, out: &mut String, style: &Style, cells: [Content<'_>; COLUMNS]) {
        if self.boxed {
            paint(out, style, Paint::Dim, "┃");
            out.push(' ');
        }
        for (column, (content, width, colour)) in cells.into_iter().enumerate() {
            let room = self.widths[column];
            if room == 0 {
                continue;
            }
            text::spaces(out, if column == NAME { 0 } else { GAP });
            let used = if width <= room {
                paint(out, style, colour, content);
                width
            } else {
                let fitted = text::fit(content, room, style.ellipsis());
                paint(out, style, colour, &fitted);
                text::cells(&fitted)
            };
            if self.boxed || column != self.last {
                text::spaces(out, room.saturating_sub(used));
            }
        }
        if self.boxed {
            out.push(' ');
            paint(out, style, Paint::Dim, "┃");
        }
        out.push('\n');
    }
}

fn content_width(widths: &[usize; COLUMNS]) -> usize {
    let shown = widths.iter().filter(|&&width| width > 0).count();
    widths.iter().sum::<usize>() + GAP * shown.saturating_sub(1)
}

/// Makes the columns fit into `limit` cells: the command is cut, then a long name, then columns go, then the name is cut
/// further.
fn squeeze(widths: &mut [usize; COLUMNS], limit: usize) {
    let surplus = |widths: &[usize; COLUMNS]| content_width(widths).saturating_sub(limit);
    for column in DROP_ORDER {
        for (cut, min) in [(COMMAND, MIN_COMMAND), (NAME, SHORT_NAME)] {
            let spare = widths[cut].saturating_sub(min);
            widths[cut] -= spare.min(surplus(widths));
        }
        if surplus(widths) == 0 {
            return;
        }
        widths[column] = 0;
    }
    // Terminals too narrow even for name, status and pid keep the name.
    let name = widths[NAME];
    for column in [None, Some(PID), Some(STATUS)] {
        if let Some(column) = column {
            widths[column] = 0;
        }
        widths[NAME] = name;
        widths[NAME] = name.saturating_sub(surplus(widths)).max(MIN_NAME);
        if surplus(widths) == 0 {
            return;
        }
    }
    widths[NAME] = limit;
}

/// Appends `text` in its colour. Without colour it does not pass through the formatting machinery.
fn paint(out: &mut String, style: &Style, colour: Paint, text: &str) {
    if style.color && colour != Paint::None {
        let _ = write!(out, "{}", style.paint(colour, text));
    } else {
        out.push_str(text);
    }
}

/// Appends `line`, cut to the width, in its colour.
fn line(out: &mut String, style: &Style, colour: Paint, line: &str) {
    paint(out, style, colour, &style.fit_line(line));
    out.push('\n');
}

fn totals(out: &mut String, rows: &[Row], style: &Style) {
    let online = rows.iter().filter(|row| row.online).count();
    let corrupt = rows.iter().filter(|row| row.state == State::Corrupt).count();
    let stopped = rows.iter().filter(|row| !row.online && row.state != State::Corrupt).count();
    let mut parts = vec![
        (Paint::None, format!("Total: {}", rows.len())),
        (Paint::Good, format!("{}online: {online}", style.glyph("● ", ""))),
        (Paint::Dim, format!("{}stopped: {stopped}", style.glyph("○ ", ""))),
    ];
    if corrupt > 0 {
        parts.push((Paint::Bad, format!("corrupt: {corrupt}")));
    }
    let whole = parts.iter().map(|(_, part)| part.as_str()).collect::<Vec<_>>().join(" | ");
    if style.width.is_some_and(|width| text::cells(&whole) > width) {
        return line(out, style, Paint::None, &whole);
    }
    for (i, (colour, part)) in parts.iter().enumerate() {
        out.push_str(if i > 0 { " | " } else { "" });
        paint(out, style, *colour, part);
    }
    out.push('\n');
}

/// What watch mode gave up or could not be started, each with the two commands that help.
fn errored(out: &mut String, rows: &[Row], style: &Style) {
    let count = rows.iter().filter(|row| row.is_errored()).count();
    if count == 0 {
        return;
    }
    line(out, style, Paint::Bad, &format!("{} {count} errored:", style.glyph("⚠", "[!]")));
    for row in rows.iter().filter(|row| row.is_errored()) {
        let name = text::clean(&row.name);
        let reason = row.watch.as_ref().and_then(|watch| watch.error_reason.as_ref()).or(row.reason.as_ref());
        match reason {
            Some(reason) => {
                let dash = style.glyph("—", "-");
                line(out, style, Paint::None, &format!("   {name} {dash} {}", text::clean(reason)));
            }
            None => line(out, style, Paint::None, &format!("   {name}")),
        }
        recovery(out, &row.name, style);
    }
}

/// The commands are to be typed: they move to lines of their own and to the margin before anything of them is cut.
fn recovery(out: &mut String, name: &str, style: &Style) {
    let name = text::quote(name);
    let logs = format!("bgo logs {name} --watcher");
    let restart = format!("bgo restart {name}");
    let fits = |line: &String| style.width.is_none_or(|width| text::cells(line) <= width);
    let indented = |command: &str| format!("     {command}");
    let both = indented(&format!("{logs}   |   {restart}"));
    if fits(&both) {
        return line(out, style, Paint::Dim, &both);
    }
    for command in [&logs, &restart] {
        let wide = indented(command);
        line(out, style, Paint::Dim, if fits(&wide) { &wide } else { command });
    }
}

/// What else the columns cannot say.
fn notes(out: &mut String, rows: &[Row], style: &Style) {
    for (row, degraded) in rows.iter().filter_map(|row| Some((row, row.degraded.as_ref()?))) {
        let note = format!("\"{}\" is degraded: {}", text::clean(&row.name), text::clean(degraded));
        line(out, style, Paint::Warn, &note);
    }
    for row in rows.iter().filter(|row| row.state == State::Corrupt) {
        let path = row.record_path.to_string_lossy();
        let mut note = format!("corrupt record: {}", text::clean(&path));
        if let Some(reason) = &row.reason {
            let _ = write!(note, ": {}", text::clean(reason));
        }
        line(out, style, Paint::Bad, &note);
    }
    let dead_sidecar = |row: &Row| {
        let (name, word) = (text::clean(&row.name), text::quote(&row.name));
        let help =
            if row.online { "bgo resurrect gives it a new one".to_owned() } else { format!("bgo restart {word}") };
        format!("sidecar of \"{name}\" is dead; {help}")
    };
    let is_mended = |row: &Row| row.online || row.comes_back.is_some();
    let many = "sidecars are dead; bgo resurrect gives each process a new one, or starts it";
    few(out, rows, style, &|row| has_dead_watcher(row) && is_mended(row), many, &dead_sidecar);
    let many = "sidecars are dead, and bgo resurrect leaves their processes down; bgo restart NAME starts one";
    few(out, rows, style, &|row| has_dead_watcher(row) && !is_mended(row), many, &dead_sidecar);
    let is_awaited = |row: &Row| row.comes_back.is_some() && row.watch.as_ref().is_some_and(|watch| watch.enabled);
    let many = "watched processes are down; bgo resurrect brings them back";
    few(out, rows, style, &|row| is_awaited(row) && !has_dead_watcher(row), many, &|row| {
        let (name, word) = (text::clean(&row.name), text::quote(&row.name));
        let why = row.comes_back.as_ref().map_or_else(String::new, ToString::to_string);
        format!("\"{name}\" is down: {}; bgo resurrect {word} brings it back", text::clean(&why))
    });
}

/// A note about each of the `chosen`; of [`MANY`] together, how `many` there are.
fn few(
    out: &mut String,
    rows: &[Row],
    style: &Style,
    chosen: &dyn Fn(&Row) -> bool,
    many: &str,
    note: &dyn Fn(&Row) -> String,
) {
    let chosen: Vec<&Row> = rows.iter().filter(|row| chosen(row)).collect();
    if chosen.len() >= MANY {
        return line(out, style, Paint::Warn, &format!("{} {many}", chosen.len()));
    }
    chosen.into_iter().for_each(|row| line(out, style, Paint::Warn, &note(row)));
}

#[cfg(test)]
mod tests {
    use super::super::sample::{corrupt, errored, exited, online, strip_colour, watched, zoo};
    use super::super::style::Level;
    use super::*;
    use crate::domain::record::Watch;
    use crate::domain::resurrection::Reason;

    const PLAIN: Style = Style { level: Level::Plain, color: false, width: None };
    const NORMAL: Style = Style { level: Level::Normal, color: true, width: None };
    const FANCY: Style = Style { level: Level::Fancy, color: true, width: None };

    /// The words of the line about `name`, after the name.
    fn words(row: &Row, style: &Style) -> Vec<String> {
        let table = strip_colour(&render(std::slice::from_ref(row), style));
        let line = table.lines().find(|line| line.contains(&row.name)).unwrap();
        line.split_whitespace().map(str::to_owned).filter(|word| word != "┃").skip(1).collect()
    }

    fn widths(table: &str) -> Vec<usize> {
        strip_colour(table).lines().map(text::cells).collect()
    }

    #[test]
    fn plain_tables_are_as_in_0_2_0() {
        let table = render(&[watched("api"), exited("off"), online("web")], &PLAIN);
        let expected = "\
NAME  STATUS       PID   CPU   MEM    UPTIME    WATCH  COMMAND
----------------------------------------------------------------
api   online       2342  0.3%  12.3M  01:02:03  [W] 2  sleep 300
off   stopped (3)  -     -     -      -         -      sleep 300
web   online       2342  0.3%  12.3M  01:02:03  -      sleep 300
----------------------------------------------------------------
Total: 3 | online: 2 | stopped: 1
";
        assert_eq!(table, expected);
        assert_eq!(strip_colour(&render(&[watched("api"), exited("off"), online("web")], &NORMAL)), expected);
    }

    #[test]
    fn fancy_tables_have_boxes() {
        let rows = [watched("日本"), errored("worker"), online("web")];
        let table = render(&rows, &Style { color: false, ..FANCY });
        assert_eq!(
            table,
            "\
┏━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━┓
┃ NAME    STATUS         PID   CPU   MEM    UPTIME    WATCH      COMMAND   ┃
┣━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━┫
┃ 日本    ● online       2342  0.3%  12.3M  01:02:03  ✓ 2        sleep 300 ┃
┃ worker  ○ stopped (3)  -     -     -      -         ⚠ errored  sleep 300 ┃
┃ web     ● online       2342  0.3%  12.3M  01:02:03  ·          sleep 300 ┃
┗━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━┛
Total: 3 | ● online: 2 | ○ stopped: 1
⚠ 1 errored:
   worker — 4 consecutive fast-crashes
     bgo logs worker --watcher   |   bgo restart worker
"
        );
    }

    #[test]
    fn colour_only_paints() {
        for style in [PLAIN, NORMAL, FANCY] {
            let [on, off] = [true, false].map(|color| render(&zoo(), &Style { color, ..style }));
            assert!(!off.contains('\u{1b}') && on.contains('\u{1b}'));
            assert_eq!(strip_colour(&on), off);
        }
    }

    #[test]
    fn no_line_exceeds_the_width() {
        for style in [PLAIN, NORMAL, FANCY] {
            for width in 1..=160 {
                let table = render(&zoo(), &Style { width: Some(width), ..style });
                let widest = widths(&table).into_iter().max().unwrap();
                assert!(widest <= width, "{widest} cells at width {width}:\n{table}");
                assert!(widths(&render(&[], &Style { width: Some(width), ..style }))[0] <= width);
            }
        }
    }

    #[test]
    fn all_lines_of_a_box_are_equally_wide() {
        for width in (MIN_BOX..=160).map(Some).chain([None]) {
            let table = strip_colour(&render(&zoo(), &Style { width, ..FANCY }));
            let boxed = table.lines().filter(|l| l.starts_with(['┏', '┃', '┣', '┗'])).map(text::cells);
            let all = boxed.collect::<Vec<_>>();
            assert!(all.len() == zoo().len() + 4 && all.iter().all(|w| *w == all[0]), "{width:?}: {all:?}\n{table}");
        }
    }

    #[test]
    fn columns_go_in_order_and_cuts_are_visible() {
        let mut row = online("web");
        row.command = vec!["x".repeat(40)];
        let shown = |row: &Row, width| {
            let table = render(std::slice::from_ref(row), &Style { width: Some(width), ..PLAIN });
            let mut lines = table.lines();
            (lines.next().unwrap().to_owned(), lines.nth(1).unwrap().to_owned())
        };
        for (width, header) in [
            (90, "NAME STATUS PID CPU MEM UPTIME WATCH COMMAND"),
            (62, "NAME STATUS PID CPU MEM UPTIME WATCH COMMAND"),
            (61, "NAME STATUS PID CPU UPTIME WATCH COMMAND"),
            (55, "NAME STATUS PID CPU UPTIME WATCH COMMAND"),
            (54, "NAME STATUS PID UPTIME WATCH COMMAND"),
            (49, "NAME STATUS PID UPTIME WATCH COMMAND"),
            (48, "NAME STATUS PID WATCH COMMAND"),
            (39, "NAME STATUS PID WATCH COMMAND"),
            (38, "NAME STATUS PID COMMAND"),
            (32, "NAME STATUS PID COMMAND"),
            (31, "NAME STATUS PID"),
            (18, "NAME STATUS PID"),
            (17, "NAME STATUS"),
            (11, "NAME"),
        ] {
            let (head, line) = shown(&row, width);
            assert_eq!(head.split_whitespace().collect::<Vec<_>>().join(" "), header, "at {width}");
            assert!(line.ends_with("...") || !header.contains("COMMAND") || line.ends_with(&"x".repeat(40)), "{line}");
        }
        assert_eq!(shown(&online("a-very-long-name"), 22).1, "a-ver...  online  2342");
        assert!(render(&[row], &PLAIN).contains(&"x".repeat(40)));
    }

    #[test]
    fn ports_have_a_column_where_somebody_has_looked() {
        let with = |name: &str, ports: &[u16]| Row { ports: Some(ports.to_vec()), ..online(name) };
        let rows = [with("api", &[80, 443]), with("many", &[1, 2, 3, 4, 5, 6]), with("none", &[]), online("web")];
        let table = render(&rows, &PLAIN);
        let column = |line: &str| line.split_whitespace().nth_back(2).unwrap().to_owned();
        let cells: Vec<String> = table.lines().skip(2).take(4).map(column).collect();
        assert_eq!(cells, ["80,443", "1,2,3,+3", "-", "-"]);
        assert!(table.lines().next().unwrap().ends_with("WATCH  PORTS     COMMAND"), "{table}");
        assert!(!render(&[online("web")], &PLAIN).contains("PORTS"));
        for width in 1..=100 {
            let table = render(&rows, &Style { width: Some(width), ..FANCY });
            assert!(widths(&table).into_iter().all(|w| w <= width), "{width}\n{table}");
        }
    }

    #[test]
    fn the_status_says_more_where_there_is_more() {
        use State::*;
        for (online_now, state, word) in [
            (true, Running, "online"),
            (true, Exited, "online"),
            (true, Ready, "ready"),
            (true, Starting, "starting"),
            (true, Unhealthy, "unhealthy"),
            (true, Detached, "detached"),
            (true, Stopping, "stopping"),
            (false, Stopped, "stopped"),
            (false, Exited, "stopped"),
            (false, Errored, "stopped"),
            (false, Running, "stopped"),
            (false, Backoff, "backoff"),
            (false, Waiting, "waiting"),
            (false, Starting, "starting"),
            (false, Unknown, "unknown"),
        ] {
            let row = Row { online: online_now, state, ..online("web") };
            assert_eq!(words(&row, &PLAIN)[0], word, "{state:?}");
            assert_eq!(words(&row, &PLAIN)[1], if online_now { "2342" } else { "-" });
            assert_eq!(words(&row, &FANCY)[..2], [if online_now { "●" } else { "○" }, word]);
        }
    }

    #[test]
    fn the_watch_cell_tells_who_watches() {
        let off = Watch { enabled: false, ..Watch::default() };
        for (row, fancy, ascii) in [
            (online("web"), "·", "-"),
            (Row { watch: Some(off), ..online("web") }, "·", "-"),
            (watched("web"), "✓ 2", "[W] 2"),
            (Row { sidecar: None, ..watched("web") }, "! dead", "! dead"),
            (Row { sidecar: Some((7, false)), ..watched("web") }, "! dead", "! dead"),
            (Row { watch: watched("web").watch, ..exited("web") }, "✓ 2", "[W] 2"),
            (errored("web"), "⚠ errored", "[!] errored"),
            (Row { state: State::Errored, ..exited("web") }, "⚠ errored", "[!] errored"),
        ] {
            for (style, expected) in [(FANCY, fancy), (NORMAL, ascii), (PLAIN, ascii)] {
                let mut cell = String::new();
                watch_cell(&mut cell, &row, &style);
                assert_eq!(cell, expected);
            }
        }
    }

    #[test]
    fn what_needs_attention_stands_below() {
        let rows = [
            Row { reason: Some("chdir failed".to_owned()), watch: None, ..errored("a b") },
            corrupt("broken"),
            Row { degraded: Some("disk\nfull".to_owned()), ..online("full") },
            Row { sidecar: None, ..watched("it works") },
        ];
        let table = render(&rows, &PLAIN);
        assert_eq!(
            table[table.find("Total").unwrap()..],
            *"\
Total: 4 | online: 2 | stopped: 1 | corrupt: 1
[!] 1 errored:
   a b - chdir failed
     bgo logs 'a b' --watcher   |   bgo restart 'a b'
\"full\" is degraded: disk\\nfull
corrupt record: /h/procs/broken.json: EOF at line 1
sidecar of \"it works\" is dead; bgo resurrect gives it a new one
"
        );
        assert!(table.contains("corrupt      -") && table.contains("/h/procs/broken.json\n"));
        let dead = |n| Row { sidecar: None, ..watched(&format!("w{n}")) };
        let away = |n| Row { comes_back: Some(Reason::WasUp), watch: watched("a").watch, ..exited(&format!("a{n}")) };
        let lost = |n| Row { sidecar: Some((9, false)), end: None, comes_back: None, ..away(n) };
        let notes = |rows: &[Row]| {
            let table = render(rows, &PLAIN);
            table.lines().skip_while(|line| !line.starts_with("Total")).skip(1).map(str::to_owned).collect::<Vec<_>>()
        };
        let told = "\"a1\" is down: it was up when the machine went down; bgo resurrect a1 brings it back";
        assert_eq!(notes(&[away(1)]), [told]);
        let left_down = "sidecars are dead, and bgo resurrect leaves their processes down; bgo restart NAME starts one";
        assert_eq!(notes(&[lost(1), lost(2), lost(3), lost(4)]), [format!("4 {left_down}")]);
        assert_eq!(
            notes(&[dead(1), dead(2), dead(3), dead(4), away(1), away(2), away(3), away(4)]),
            [
                "4 sidecars are dead; bgo resurrect gives each process a new one, or starts it",
                "4 watched processes are down; bgo resurrect brings them back",
            ]
        );
        assert_eq!(render(&[], &PLAIN), "No processes. Start one: bgo NAME -- COMMAND\n");
    }

    #[test]
    fn recovery_commands_are_cut_last() {
        for width in 25..100 {
            let table = render(&[errored("worker")], &Style { width: Some(width), ..FANCY });
            assert!(table.contains("bgo logs worker --watcher"), "{width}");
            assert!(table.contains("bgo restart worker"), "{width}");
        }
    }

    #[test]
    fn control_characters_are_escaped_and_plain_decoration_is_ascii() {
        for style in [PLAIN, FANCY] {
            let table = render(&zoo(), &Style { color: false, ..style });
            assert!(!table.chars().any(|c| c != '\n' && c.is_control() || c == '\u{202e}'), "{table}");
        }
        let ascii = zoo().into_iter().filter(|row| row.name.is_ascii() && row.command_line().is_ascii());
        let ascii = ascii.collect::<Vec<_>>();
        assert!(render(&ascii, &PLAIN).is_ascii());
        assert!(strip_colour(&render(&ascii, &NORMAL)).is_ascii());
        assert!(render(&[online("日本語サーバー")], &PLAIN).contains("日本語サーバー  online"));
    }
}
