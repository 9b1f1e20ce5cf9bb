//! How output is dressed: boxes or plain ASCII, colour or none, how wide.
//!
//! Why it exists: the rules about terminals, locales, flags and environment are applied once, and everything rendered
//! follows one [`Style`]. Invariant: nothing here looks at the environment; what decides comes in as a [`Terminal`].

use super::text;
use owo_colors::{AnsiColors, Styled};
use std::borrow::Cow;
use std::fmt::Display;
use std::str::FromStr;

/// How much decoration there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// ASCII, and no colour unless asked for: for pipes and dumb terminals.
    Plain,
    /// Colour and ASCII rules: for terminals that are not known to speak UTF-8.
    Normal,
    /// Colour and boxes.
    Fancy,
}

impl FromStr for Level {
    type Err = String;

    fn from_str(text: &str) -> Result<Level, String> {
        match text {
            "plain" => Ok(Level::Plain),
            "normal" => Ok(Level::Normal),
            "fancy" => Ok(Level::Fancy),
            _ => Err(format!("\"{text}\" is not one of plain, normal, fancy")),
        }
    }
}

/// Whether to use colour: `--color`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ColorChoice {
    /// As the terminal and `NO_COLOR` suggest.
    #[default]
    Auto,
    /// In any case.
    Always,
    /// In no case.
    Never,
}

impl FromStr for ColorChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<ColorChoice, String> {
        match text {
            "auto" => Ok(ColorChoice::Auto),
            "always" => Ok(ColorChoice::Always),
            "never" => Ok(ColorChoice::Never),
            _ => Err(format!("\"{text}\" is not one of auto, always, never")),
        }
    }
}

/// What is known about the place the output goes to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Terminal {
    /// Whether it is a terminal.
    pub is_tty: bool,
    /// How many columns it has, if known.
    pub width: Option<usize>,
    /// `TERM`.
    pub term: Option<String>,
    /// The first non-empty of `LC_ALL`, `LC_CTYPE` and `LANG`.
    pub locale: Option<String>,
    /// `BGO_TABLE`.
    pub bgo_table: Option<String>,
    /// Whether `NO_COLOR` is set and not empty.
    pub no_color: bool,
}

impl Terminal {
    fn is_dumb(&self) -> bool {
        self.term.as_deref() == Some("dumb")
    }

    fn speaks_utf8(&self) -> bool {
        let locale = self.locale.as_deref().unwrap_or_default().to_ascii_lowercase();
        locale.contains("utf-8") || locale.contains("utf8")
    }

    fn level(&self) -> Level {
        if !self.is_tty || self.is_dumb() {
            Level::Plain
        } else if self.speaks_utf8() {
            Level::Fancy
        } else {
            Level::Normal
        }
    }
}

/// What a piece of text says about itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Paint {
    /// Nothing special.
    #[default]
    None,
    /// All is well.
    Good,
    /// Something is broken.
    Bad,
    /// Something deserves a look.
    Warn,
    /// Of little interest.
    Dim,
    /// A heading.
    Bold,
}

/// How to render.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Style {
    /// How much decoration.
    pub level: Level,
    /// Whether to use colour.
    pub color: bool,
    /// The most cells a line may take; `None`: nothing is cut.
    pub width: Option<usize>,
}

impl Style {
    /// The style for `terminal`. A forced level (`--plain`, `--fancy`) beats a valid `BGO_TABLE`, which beats what is
    /// detected.
    pub fn choose(forced: Option<Level>, color: ColorChoice, terminal: &Terminal) -> Style {
        let wished = || terminal.bgo_table.as_deref().and_then(|text| text.parse().ok());
        let level = forced.or_else(wished).unwrap_or_else(|| terminal.level());
        let color = match color {
            ColorChoice::Always => true,
            ColorChoice::Never => false,
            ColorChoice::Auto => terminal.is_tty && !terminal.is_dumb() && !terminal.no_color && level != Level::Plain,
        };
        // Terminals that do not know their width say 0.
        Style { level, color, width: terminal.width.filter(|&width| width > 0) }
    }

    /// `text` in the colour of `paint`; unchanged when colour is off. Pad before painting: colour has no width, but
    /// formatting counts it.
    pub fn paint<T: Display>(&self, paint: Paint, text: T) -> Styled<T> {
        let plain = owo_colors::Style::new();
        let style = match paint {
            _ if !self.color => plain,
            Paint::None => plain,
            Paint::Good => plain.green(),
            Paint::Bad => plain.red(),
            Paint::Warn => plain.yellow(),
            Paint::Dim => plain.dimmed(),
            Paint::Bold => plain.bold(),
        };
        style.style(text)
    }

    /// `text` in one of a few colours that are told apart easily; that with a higher `index` in the next.
    pub fn hue<T: Display>(&self, index: usize, text: T) -> Styled<T> {
        const HUES: [AnsiColors; 6] = [
            AnsiColors::Cyan,
            AnsiColors::Yellow,
            AnsiColors::Green,
            AnsiColors::Magenta,
            AnsiColors::Blue,
            AnsiColors::BrightCyan,
        ];
        let plain = owo_colors::Style::new();
        if self.color { plain.color(HUES[index % HUES.len()]) } else { plain }.style(text)
    }

    /// `text` as good news.
    pub fn good<T: Display>(&self, text: T) -> Styled<T> {
        self.paint(Paint::Good, text)
    }

    /// `text` as bad news.
    pub fn bad<T: Display>(&self, text: T) -> Styled<T> {
        self.paint(Paint::Bad, text)
    }

    /// `text` as a warning.
    pub fn warn<T: Display>(&self, text: T) -> Styled<T> {
        self.paint(Paint::Warn, text)
    }

    /// `text` in the background.
    pub fn dim<T: Display>(&self, text: T) -> Styled<T> {
        self.paint(Paint::Dim, text)
    }

    /// `text` as a heading.
    pub fn bold<T: Display>(&self, text: T) -> Styled<T> {
        self.paint(Paint::Bold, text)
    }

    /// Whether decoration may be more than ASCII.
    pub fn is_fancy(&self) -> bool {
        self.level == Level::Fancy
    }

    /// The decoration for this level.
    pub fn glyph(&self, fancy: &'static str, ascii: &'static str) -> &'static str {
        if self.is_fancy() { fancy } else { ascii }
    }

    /// The mark where text was cut.
    pub fn ellipsis(&self) -> &'static str {
        self.glyph("…", "...")
    }

    /// `line` in at most the cells a line may take, cut visibly.
    pub fn fit_line<'a>(&self, line: &'a str) -> Cow<'a, str> {
        match self.width {
            Some(width) if text::cells(line) > width => Cow::Owned(text::fit(line, width, self.ellipsis())),
            _ => Cow::Borrowed(line),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tty(term: &str, locale: &str) -> Terminal {
        Terminal {
            is_tty: true,
            width: Some(80),
            term: Some(term.to_owned()),
            locale: Some(locale.to_owned()).filter(|l| !l.is_empty()),
            ..Terminal::default()
        }
    }

    fn with_table(terminal: Terminal, value: &str) -> Terminal {
        Terminal { bgo_table: Some(value.to_owned()), ..terminal }
    }

    fn choose(forced: Option<Level>, terminal: &Terminal) -> (Level, bool) {
        let style = Style::choose(forced, ColorChoice::Auto, terminal);
        (style.level, style.color)
    }

    #[test]
    fn the_level_follows_flag_then_variable_then_terminal() {
        use Level::*;
        let pipe = Terminal::default;
        for (forced, terminal, expected) in [
            (None, pipe(), (Plain, false)),
            (None, tty("dumb", "en_US.UTF-8"), (Plain, false)),
            (None, tty("xterm", "en_US.UTF-8"), (Fancy, true)),
            (None, tty("xterm", "C.utf8"), (Fancy, true)),
            (None, tty("xterm", "de_DE.Utf-8@euro"), (Fancy, true)),
            (None, tty("xterm", "C"), (Normal, true)),
            (None, tty("xterm", "en_US.ISO-8859-1"), (Normal, true)),
            (None, tty("xterm", ""), (Normal, true)),
            (None, Terminal { is_tty: true, ..pipe() }, (Normal, true)),
            (None, with_table(pipe(), "fancy"), (Fancy, false)),
            (None, with_table(pipe(), "normal"), (Normal, false)),
            (None, with_table(pipe(), "bogus"), (Plain, false)),
            (None, with_table(pipe(), ""), (Plain, false)),
            (None, with_table(tty("xterm", "C"), "bogus"), (Normal, true)),
            (None, with_table(tty("xterm", "C.UTF-8"), "plain"), (Plain, false)),
            (None, with_table(tty("dumb", "C.UTF-8"), "fancy"), (Fancy, false)),
            (Some(Plain), with_table(tty("xterm", "C.UTF-8"), "fancy"), (Plain, false)),
            (Some(Fancy), with_table(pipe(), "plain"), (Fancy, false)),
            (Some(Fancy), tty("xterm", "C"), (Fancy, true)),
        ] {
            assert_eq!(choose(forced, &terminal), expected, "{forced:?} {terminal:?}");
        }
    }

    #[test]
    fn colour_is_used_only_where_it_is_wanted() {
        let color = |choice, terminal: &Terminal| Style::choose(None, choice, terminal).color;
        let silent = Terminal { no_color: true, ..tty("xterm", "C.UTF-8") };
        assert!(!color(ColorChoice::Auto, &silent));
        assert!(color(ColorChoice::Always, &silent));
        assert!(color(ColorChoice::Always, &Terminal::default()));
        assert!(!color(ColorChoice::Never, &tty("xterm", "C.UTF-8")));
    }

    #[test]
    fn an_unknown_width_cuts_nothing() {
        let width = |width| {
            let terminal = Terminal { width, ..Terminal::default() };
            Style::choose(None, ColorChoice::Auto, &terminal).width
        };
        assert_eq!((width(None), width(Some(0)), width(Some(80))), (None, None, Some(80)));
    }

    #[test]
    fn painting_does_nothing_when_colour_is_off() {
        let off = Style { level: Level::Fancy, color: false, width: None };
        let on = Style { color: true, ..off };
        let painted =
            |s: &Style| [s.good("x"), s.bad("x"), s.warn("x"), s.dim("x"), s.bold("x")].map(|t| t.to_string());
        assert_eq!(painted(&off), ["x"; 5]);
        for text in painted(&on) {
            assert!(text.starts_with("\u{1b}[") && text.ends_with("x\u{1b}[0m"), "{text:?}");
        }
        assert_eq!(on.paint(Paint::None, "x").to_string(), "x");
    }

    #[test]
    fn words_of_the_command_line_are_understood() {
        assert_eq!(
            ["plain", "normal", "fancy"].map(str::parse),
            [Ok(Level::Plain), Ok(Level::Normal), Ok(Level::Fancy)]
        );
        let choices = [Ok(ColorChoice::Auto), Ok(ColorChoice::Always), Ok(ColorChoice::Never)];
        assert_eq!(["auto", "always", "never"].map(str::parse), choices);
        assert!("Fancy ".parse::<Level>().is_err() && "".parse::<ColorChoice>().is_err());
    }
}
