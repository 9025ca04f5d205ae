//! `dialplane docs`: the reference pages that are made from the code. It does I/O: files.

mod api;
mod chart;
mod commands;
mod metrics;
mod reasons;
#[cfg(feature = "sandbox")]
mod sandbox;

use std::path::PathBuf;

use super::generated;

/// What `dialplane docs` takes.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The directory to write them into
    #[arg(long, default_value = "docs")]
    pub dir: PathBuf,
    /// The directory of the chart, whose README is one of them
    #[arg(long, default_value = "charts/dialplane")]
    pub chart: PathBuf,
}

/// Writes the pages.
pub fn run(args: &Args) -> anyhow::Result<()> {
    generated::write(&args.dir, &files())?;
    generated::write(&args.chart, &chart_files())
}

/// Name and text of every page.
pub fn files() -> Vec<(String, String)> {
    let pages = [
        ("api.md", api::page()),
        ("commands.md", commands::page()),
        ("metrics.md", metrics::page()),
        ("reasons.md", reasons::page()),
        #[cfg(feature = "sandbox")]
        ("sandbox.md", sandbox::page()),
    ];
    pages.map(|(name, page)| (name.to_owned(), page)).into()
}

/// The same of what stands in the chart.
pub fn chart_files() -> Vec<(String, String)> {
    vec![("README.md".to_owned(), chart::page())]
}

/// A table in Markdown.
fn table<const N: usize>(head: [&str; N], rows: impl IntoIterator<Item = [String; N]>) -> String {
    let line = |cells: [String; N]| format!("| {} |\n", cells.join(" | "));
    let rows = rows.into_iter().map(|cells| line(cells.map(|cell| escaped(&cell))));
    let body: String = rows.collect();
    format!("{}{}{body}", line(head.map(str::to_owned)), line([(); N].map(|()| "---".to_owned())))
}

/// What would end a cell, or be taken for HTML and vanish, outside of code.
fn escaped(cell: &str) -> String {
    let mut code = false;
    let mut text = String::new();
    for c in cell.chars() {
        match c {
            '`' => {
                code = !code;
                text.push(c);
            }
            '\n' => text.push(' '),
            '|' => text.push_str("\\|"),
            '<' if !code => text.push_str("&lt;"),
            c => text.push(c),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_stays_one_cell_and_shows_what_it_says() {
        assert_eq!(escaped("a | b <c> `<d>`\ne"), "a \\| b &lt;c> `<d>` e");
        assert_eq!(table(["x", "y"], [["1".into(), "2".into()]]), "| x | y |\n| --- | --- |\n| 1 | 2 |\n");
    }
}
