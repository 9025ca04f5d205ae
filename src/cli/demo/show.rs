//! How the demo looks on a terminal and in a file. It does I/O: standard output, and one line on standard error.

use std::{
    fs,
    io::{self, IsTerminal as _, Write as _},
    path::Path,
    time::Instant,
};

use anyhow::{Context as _, Result};
use axum::http::{Request, header::ACCEPT};
use kube::Client;
use serde_json::Value;

const BOLD: &str = "1";
const DIM: &str = "2";
const GREEN: &str = "32";
const YELLOW: &str = "33";
const CYAN: &str = "36";
/// How many warnings are quoted.
const WARNINGS: usize = 5;

/// Where the story is told.
#[derive(Debug)]
pub struct Show {
    colour: bool,
    began: Instant,
}

impl Show {
    /// Colour only on a terminal, and not where `NO_COLOR` is set (<https://no-color.org>).
    pub fn new() -> Self {
        let wanted = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        Self { colour: wanted && io::stdout().is_terminal(), began: Instant::now() }
    }

    fn paint(&self, style: &str, text: &str) -> String {
        if self.colour && !text.is_empty() && !style.is_empty() {
            format!("\x1b[{style}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }

    /// A line as it is. A reader who has gone, as `head` does, ends nothing.
    pub fn line(&self, text: &str) {
        writeln!(io::stdout(), "{text}").ok();
    }

    pub fn title(&self, text: &str) {
        self.line(&format!("\n{}\n", self.paint(BOLD, text)));
    }

    /// The beginning of a step.
    pub fn heading(&self, number: usize, text: &str) {
        self.line(&format!("\n{} {}", self.paint(CYAN, &number.to_string()), self.paint(BOLD, text)));
    }

    /// What a user would type.
    pub fn command(&self, text: &str) {
        self.line(&format!("  {} {text}", self.paint(DIM, "$")));
    }

    /// What a user would read, or what happens elsewhere.
    pub fn detail(&self, text: &str) {
        for line in text.lines() {
            self.line(&format!("    {}", self.paint(DIM, line)));
        }
    }

    /// What has come true.
    pub fn good(&self, text: &str) {
        self.line(&format!("  {} {text}", self.paint(GREEN, "✓")));
    }

    /// A caller and what was heard.
    pub fn call(&self, who: &str, heard: &str) {
        self.line(&format!("  {} {who}\n    {}", self.paint(CYAN, "☎"), self.paint(BOLD, heard)));
    }

    /// The last line, with the time that all took.
    pub fn end(&self, text: &str) {
        let took = self.began.elapsed().as_secs_f32();
        self.line(&format!("\n{} {}", self.paint(BOLD, text), self.paint(DIM, &format!("({took:.0} s)"))));
    }

    /// The last warnings of the operator's log, for a person who asks why.
    pub fn log(&self, path: &Path) {
        let text = fs::read_to_string(path).unwrap_or_default();
        let warnings: Vec<&str> =
            text.lines().filter(|line| line.contains(" WARN ") || line.contains("ERROR ")).collect();
        for line in &warnings[warnings.len().saturating_sub(WARNINGS)..] {
            self.detail(&format!("operator: {line}"));
        }
    }

    /// How far the one long step is: over itself on a terminal, line by line elsewhere.
    pub fn progress(text: &str) {
        let mut out = io::stderr();
        let written = if out.is_terminal() { write!(out, "\r\x1b[K  {text}") } else { writeln!(out, "  {text}") };
        written.and_then(|()| out.flush()).ok();
    }

    /// Takes the last progress away again.
    pub fn progressed() {
        let mut out = io::stderr();
        if out.is_terminal() {
            write!(out, "\r\x1b[K").and_then(|()| out.flush()).ok();
        }
    }

    /// What `kubectl get` prints of the collection at `path`: the columns are the API server's own.
    pub async fn table(&self, client: &Client, path: &str) -> Result<()> {
        let table = ask_for_table(client, path).await?;
        for (at, row) in table.iter().enumerate() {
            let mut line = String::new();
            for (column, cell) in row.iter().enumerate() {
                let wide = table.iter().map(|row| row[column].chars().count()).max().unwrap_or_default();
                let last = column + 1 == row.len();
                let gap = if last { 0 } else { wide + 3 - cell.chars().count() };
                let style = match cell.as_str() {
                    _ if at == 0 => DIM,
                    "True" => GREEN,
                    "False" | "Unknown" | "Changed" => YELLOW,
                    _ => "",
                };
                line += &self.paint(style, cell);
                line += &" ".repeat(gap);
            }
            self.line(&format!("    {}", line.trim_end()));
        }
        Ok(())
    }
}

/// Header and rows, without the columns that only `-o wide` shows.
async fn ask_for_table(client: &Client, path: &str) -> Result<Vec<Vec<String>>> {
    let accept = "application/json;as=Table;g=meta.k8s.io;v=v1";
    let request = Request::get(path).header(ACCEPT, accept).body(vec![]).context("a malformed path")?;
    let table: Value = client.request(request).await.context("the API server gives no table")?;
    let none = vec![];
    let columns = table["columnDefinitions"].as_array().unwrap_or(&none);
    let shown: Vec<usize> = (0..columns.len()).filter(|at| columns[*at]["priority"] == 0).collect();
    let header = shown.iter().map(|at| columns[*at]["name"].as_str().unwrap_or_default().to_uppercase()).collect();
    let mut rows = vec![header];
    for row in table["rows"].as_array().unwrap_or(&none) {
        let cell = |at: &usize| match &row["cells"][*at] {
            Value::String(text) => text.clone(),
            Value::Null => String::new(),
            other => other.to_string(),
        };
        rows.push(shown.iter().map(cell).collect());
    }
    Ok(rows)
}
