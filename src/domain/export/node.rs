//! What is written into files, before it is text.
//!
//! Why it exists: four syntaxes (units, XML, YAML, HCL) say the same kinds of things. Invariant: texts in here are what the
//! other supervisor is to be told; how they are quoted is for `view::export` alone.

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub enum Node {
    /// Nothing, where that has a meaning.
    Null,
    /// Yes or no.
    Yes(bool),
    /// A number.
    Number(i64),
    /// A text.
    Text(String),
    /// Several.
    List(Vec<Node>),
    /// Named ones, in their order.
    Map(Map),
}

/// Named values.
pub type Map = Vec<Entry>;

/// A named value.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// What a person is told above it.
    pub comments: Vec<String>,
    /// Its name.
    pub key: String,
    /// The label of a block (HCL).
    pub label: Option<String>,
    /// What it is.
    pub value: Node,
}

/// How files are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Syntax {
    /// As systemd reads units.
    Unit,
    /// XML property lists.
    Plist,
    /// YAML.
    Yaml,
    /// HCL of version 2.
    Hcl,
}

/// One of the documents in a file.
#[derive(Clone, Debug, PartialEq)]
pub struct Document {
    /// What a person is told at its head.
    pub comments: Vec<String>,
    /// What it says.
    pub map: Map,
}

/// A file.
#[derive(Clone, Debug, PartialEq)]
pub struct File {
    /// Its name.
    pub name: String,
    /// How it is written.
    pub syntax: Syntax,
    /// The processes in it.
    pub processes: Vec<String>,
    /// Whether it is for the eyes of its owner alone.
    pub is_private: bool,
    /// What is in it.
    pub documents: Vec<Document>,
}

/// Builds a map in its order.
#[derive(Clone, Debug, Default)]
pub struct Fields(pub Map);

impl Fields {
    /// Adds a value.
    pub fn put(&mut self, key: &str, value: impl Into<Node>) {
        self.0.push(Entry { comments: Vec::new(), key: key.to_owned(), label: None, value: value.into() });
    }

    /// Adds a value if there is one.
    pub fn put_some(&mut self, key: &str, value: Option<impl Into<Node>>) {
        if let Some(value) = value {
            self.put(key, value);
        }
    }

    /// Adds what has something in it.
    pub fn put_full(&mut self, key: &str, fields: Fields) {
        if !fields.0.is_empty() {
            self.put(key, fields);
        }
    }

    /// Adds a block with a label.
    pub fn block(&mut self, key: &str, label: &str, comments: Vec<String>, fields: Fields) {
        let label = Some(label.to_owned());
        self.0.push(Entry { comments, key: key.to_owned(), label, value: Node::Map(fields.0) });
    }
}

/// A map of these.
pub fn fields<const N: usize>(all: [(&str, Node); N]) -> Fields {
    let mut fields = Fields::default();
    all.into_iter().for_each(|(key, value)| fields.put(key, value));
    fields
}

/// A list of texts.
pub fn texts<T: Into<String>>(all: impl IntoIterator<Item = T>) -> Node {
    Node::List(all.into_iter().map(|text| Node::Text(text.into())).collect())
}

impl From<Fields> for Node {
    fn from(fields: Fields) -> Node {
        Node::Map(fields.0)
    }
}

impl From<&str> for Node {
    fn from(text: &str) -> Node {
        Node::Text(text.to_owned())
    }
}

impl From<String> for Node {
    fn from(text: String) -> Node {
        Node::Text(text)
    }
}

impl From<bool> for Node {
    fn from(yes: bool) -> Node {
        Node::Yes(yes)
    }
}

impl From<i64> for Node {
    fn from(number: i64) -> Node {
        Node::Number(number)
    }
}

impl From<u16> for Node {
    fn from(number: u16) -> Node {
        Node::Number(i64::from(number))
    }
}
