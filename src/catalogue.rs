//! The texts for people, in English and Spanish: one Fluent file each, the same ids in both.
//!
//! Ids are made from the libraries' own: `event-ID`, `reason-ID`, `problem-ID`, `flag-NAME`.

use fluent_bundle::concurrent::FluentBundle;
use fluent_bundle::{FluentArgs, FluentResource};
use unic_langid::LanguageIdentifier;

/// A language that there are texts in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    English,
    Spanish,
}

impl Language {
    pub const ALL: [Self; 2] = [Self::English, Self::Spanish];

    /// `en` or `es`.
    pub const fn code(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::Spanish => "es",
        }
    }

    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|language| language.code() == code)
    }

    /// The user's, by the system's locale; English where there is no text in it.
    pub fn of_locale() -> Self {
        let spanish = sys_locale::get_locale().is_some_and(|locale| locale.to_lowercase().starts_with("es"));
        if spanish { Self::Spanish } else { Self::English }
    }

    /// The texts of [`Self::source`] that are others where there is no crate that watches (`build.rs`).
    const fn elsewhere(self) -> &'static str {
        match self {
            Self::English => include_str!("catalogue/elsewhere-en.ftl"),
            Self::Spanish => include_str!("catalogue/elsewhere-es.ftl"),
        }
    }

    const fn source(self) -> &'static str {
        match self {
            Self::English => include_str!("catalogue/en.ftl"),
            Self::Spanish => include_str!("catalogue/es.ftl"),
        }
    }
}

/// The texts of one language.
pub struct Catalogue {
    language: Language,
    bundle: FluentBundle<FluentResource>,
}

impl Catalogue {
    pub fn new(language: Language) -> Self {
        let id = match language {
            Language::English => "en",
            Language::Spanish => "es-MX",
        };
        let id: LanguageIdentifier = id.parse().unwrap_or_default();
        let mut bundle = FluentBundle::new_concurrent(vec![id]);
        // The marks that isolate arguments by direction are for pages, not for terminals.
        bundle.set_use_isolating(false);
        // A test sees to it that the files have no errors; what parsed is used in any case.
        let elsewhere = if cfg!(have_watch) { "" } else { language.elsewhere() };
        for source in [language.source(), elsewhere] {
            let resource =
                FluentResource::try_new(source.to_owned()).unwrap_or_else(|(resource, _)| resource);
            bundle.add_resource_overriding(resource);
        }
        Self { language, bundle }
    }

    pub const fn language(&self) -> Language {
        self.language
    }

    pub fn has(&self, id: &str) -> bool {
        self.bundle.has_message(id)
    }

    /// The text of `id`; the id itself where there is none, so that nothing is lost.
    pub fn text(&self, id: &str, args: &FluentArgs<'_>) -> String {
        let Some(pattern) = self.bundle.get_message(id).and_then(|message| message.value()) else {
            return id.to_owned();
        };
        self.bundle.format_pattern(pattern, Some(args), &mut Vec::new()).into_owned()
    }

    /// The text of an `id` without arguments.
    pub fn plain(&self, id: &str) -> String {
        self.text(id, &FluentArgs::new())
    }
}

/// A time as people say it, to three digits.
pub fn human_time(time: std::time::Duration) -> String {
    const UNITS: [(&str, f64); 4] = [("ns", 1.0), ("µs", 1e3), ("ms", 1e6), ("s", 1e9)];
    #[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
    let nanoseconds = time.as_nanos() as f64;
    // What would round up to a thousand of one unit is one of the next.
    let (unit, size) = UNITS.into_iter().find(|(_, size)| nanoseconds / size < 999.5).unwrap_or(UNITS[3]);
    let value = nanoseconds / size;
    let decimals = match value {
        _ if size <= 1.0 => 0,
        ..9.995 => 2,
        ..99.95 => 1,
        _ => 0,
    };
    let mut number = format!("{value:.decimals$}");
    if number.contains('.') {
        number.truncate(number.trim_end_matches('0').trim_end_matches('.').len());
    }
    format!("{number} {unit}")
}

#[cfg(test)]
mod tests;
