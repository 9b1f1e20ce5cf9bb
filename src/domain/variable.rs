//! An environment variable as a document gives it.
//!
//! Why it exists: `bgo.toml` and JSON payloads take the same values for the same variables. Invariant: what is taken, the
//! kernel takes as well.

use serde_json::Value;

/// The text of the variable `key`: a text, a number, or true or false.
///
/// # Errors
/// What is wrong with it, in words.
pub fn variable(key: &str, value: &Value) -> Result<String, String> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        Value::Bool(yes) => yes.to_string(),
        _ => return Err(format!("the variable \"{key}\" cannot be a table or a list")),
    };
    if key.is_empty() || key.contains(['=', '\0', ' ']) || text.contains('\0') {
        return Err(format!("\"{key}\" cannot be a variable"));
    }
    Ok(text)
}
