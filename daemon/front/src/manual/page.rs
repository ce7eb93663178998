//! One manual page: what clap_mangen makes of a command, and the sections that it does not know.

use std::io::{self, Write};

use clap::Command;
use clap_mangen::Man;
use clap_mangen::roff::{Inline, Roff, bold, roman};

use super::facts::{EXAMPLES, EXITS, FILES, READ_ON, SERVICE_VARIABLES};
use base::config::SETTINGS;

/// Writes the page of a command; `words` are those after the program's name.
pub fn write(command: &Command, words: &str, date: &str, to: &mut dyn Write) -> io::Result<()> {
    let man = Man::new(command.clone()).date(date);
    man.render_title(to)?;
    man.render_name_section(to)?;
    man.render_synopsis_section(to)?;
    man.render_description_section(to)?;
    if command.get_arguments().any(|argument| !argument.is_hide_set()) {
        man.render_options_section(to)?;
    }
    if command.get_subcommands().any(|inner| !inner.is_hide_set()) {
        man.render_subcommands_section(to)?;
    }
    let mut roff = Roff::new();
    sections(command, words, &mut roff);
    roff.to_writer(to)?;
    // Commands of the program have none of their own.
    if command.get_version().is_some() { man.render_version_section(to) } else { Ok(()) }
}

fn sections(command: &Command, words: &str, roff: &mut Roff) {
    let first = words.split(' ').next().unwrap_or_default();
    let (whole, configured) = (words.is_empty(), command.get_arguments().any(|argument| argument.get_id() == "config"));
    let mine = |of: &str| whole || of == first;

    roff.control("SH", ["EXIT STATUS"]);
    for exit in EXITS.iter().filter(|exit| mine(exit.of) || exit.of == "any") {
        let of = if whole && exit.of != "any" { format!(" ({})", exit.of) } else { String::new() };
        item(roff, vec![bold(exit.status), roman(of)], exit.meaning);
    }
    if whole || configured {
        roff.control("SH", ["ENVIRONMENT"]);
        paragraph(roff, "Each of these wins over the setting of the configuration that it names.");
        for setting in SETTINGS {
            if let Some(variable) = setting.variable {
                let about = format!("`{}`: {} Allowed: {}.", setting.key, setting.about, setting.allowed);
                item(roff, vec![bold(variable)], &about);
            }
        }
    }
    if mine("serve") {
        SERVICE_VARIABLES.iter().for_each(|(name, about)| item(roff, vec![bold(*name)], about));
    }
    if whole || configured {
        roff.control("SH", ["FILES"]);
        FILES.iter().for_each(|(path, about)| item(roff, vec![bold(*path)], about));
    }
    roff.control("SH", ["EXAMPLES"]);
    for example in EXAMPLES.iter().filter(|example| example.page == words) {
        item(roff, vec![bold(example.line)], example.about);
    }
    roff.control("SH", ["SEE ALSO"]);
    let pages = READ_ON.iter().filter(|(page, _)| *page == words).map(|(_, document)| *document);
    let program = if whole { None } else { Some("forgesyted(1)") };
    paragraph(roff, &program.into_iter().chain(pages).collect::<Vec<_>>().join(", "));
}

/// A term, and what it means below it.
fn item(roff: &mut Roff, term: Vec<Inline>, about: &str) {
    roff.control("TP", []);
    roff.text(term);
    paragraph(roff, about);
}

/// A text, with what stands between backticks in bold.
fn paragraph(roff: &mut Roff, text: &str) {
    let parts = text.split('`').enumerate();
    let parts: Vec<Inline> = parts.map(|(at, part)| if at % 2 == 1 { bold(part) } else { roman(part) }).collect();
    roff.text(parts);
}
