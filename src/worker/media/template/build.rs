//! Builds GStreamer elements with typed properties from a template.

use std::collections::BTreeMap;

use gst::prelude::*;

use super::error::Error;
use super::file::{Element, Template, Variable, Variant};
use crate::model::encoder::TemplateName;
use crate::worker::media::element;

/// The values that weir computed for the `bind` entries of a template.
#[derive(Debug, Clone, Default)]
pub struct Values {
    numbers: BTreeMap<Variable, u64>,
    is_cheaper: bool,
}

impl Values {
    /// A plausible value of every variable, for a trial build of a template.
    pub fn any() -> Self {
        Self::default()
            .with(Variable::BitrateBps, 128_000)
            .with(Variable::BitrateKbps, 128)
            .with(Variable::GopFramesMax, 60)
            .with(Variable::Threads, 1)
            .with(Variable::Lines, 1080)
    }

    /// Adds a value.
    #[must_use]
    pub fn with(mut self, variable: Variable, value: u64) -> Self {
        self.numbers.insert(variable, value);
        self
    }

    /// With the properties for a machine that is too slow, if `is_cheaper`.
    #[must_use]
    pub fn cheaper(mut self, is_cheaper: bool) -> Self {
        self.is_cheaper = is_cheaper;
        self
    }

    /// The first variant that fits these values.
    fn variant<'a>(&self, element: &'a Element) -> Option<&'a Variant> {
        let lines = self.numbers.get(&Variable::Lines)?;
        let mut variants = element.variant.iter();
        variants.find(|variant| *lines <= variant.lines_max)
    }
}

/// Elements in order of flow, not yet in a pipeline.
#[derive(Debug)]
pub struct Chain {
    /// The template's name.
    pub template: TemplateName,
    /// Never empty.
    elements: Vec<gst::Element>,
}

impl Chain {
    /// Adds the elements to `bin` and links them; returns the first and the last.
    ///
    /// # Errors
    /// When two neighbouring elements cannot be linked.
    pub fn add_to(self, bin: &gst::Bin) -> Result<(gst::Element, gst::Element), Error> {
        let fail = |error| Error::build(self.template.as_str(), error);
        bin.add_many(&self.elements).map_err(fail)?;
        gst::Element::link_many(&self.elements).map_err(fail)?;
        match (self.elements.first(), self.elements.last()) {
            (Some(first), Some(last)) => Ok((first.clone(), last.clone())),
            _ => Err(Error::build(self.template.as_str(), "names no element")),
        }
    }

    /// All elements.
    pub fn elements(&self) -> &[gst::Element] {
        &self.elements
    }
}

/// Instantiates a template's elements and sets their properties.
///
/// # Errors
/// [`Error::MissingElement`] when this machine lacks one, [`Error::Invalid`] when a property does
/// not exist, has another type or is out of range.
pub fn build(template: &Template, values: &Values) -> Result<Chain, Error> {
    let mut elements = Vec::with_capacity(template.body.element.len());
    for wanted in &template.body.element {
        let element = element::make(wanted.factory.get_ref(), &template.origin)?;
        apply(template, wanted, &element, values)?;
        elements.push(element);
    }
    if elements.is_empty() {
        return Err(template.build_error("names no element"));
    }
    Ok(Chain {
        template: template.name.clone(),
        elements,
    })
}

fn apply(
    template: &Template,
    wanted: &Element,
    element: &gst::Element,
    values: &Values,
) -> Result<(), Error> {
    let mut structures: BTreeMap<&str, gst::Structure> = BTreeMap::new();
    let own = values.variant(wanted).map(|variant| &variant.properties);
    let cheaper = values.is_cheaper.then_some(&wanted.cheaper);
    let other = own.into_iter().chain(cheaper).flatten();
    for (key, value) in wanted.properties.iter().chain(other) {
        let name = key.get_ref().as_str();
        let invalid = |message| Error::Invalid {
            place: template.place(key.span()),
            message,
        };
        match value {
            toml::Value::Table(fields) => {
                structures.insert(name, structure(name, fields).map_err(invalid)?);
            }
            scalar => set(element, name, &text_of(scalar).map_err(invalid)?).map_err(invalid)?,
        }
    }
    for (key, variable) in &wanted.bind {
        let invalid = |message| Error::Invalid {
            place: template.place(key.span()),
            message,
        };
        let Some(value) = values.numbers.get(variable) else {
            return Err(invalid(format!(
                "`{variable:?}` has no value in this place"
            )));
        };
        match key.get_ref().split_once('.') {
            Some((property, field)) => {
                let value = i32::try_from(*value).unwrap_or(i32::MAX);
                structures
                    .entry(property)
                    .or_insert_with(|| gst::Structure::new_empty("controls"))
                    .set(field, value);
            }
            None => set(element, key.get_ref(), &value.to_string()).map_err(invalid)?,
        }
    }
    for (name, structure) in structures {
        set_value(element, name, structure.to_value()).map_err(|message| Error::Invalid {
            place: template.place(wanted.factory.span()),
            message,
        })?;
    }
    Ok(())
}

fn text_of(value: &toml::Value) -> Result<String, String> {
    match value {
        toml::Value::String(text) => Ok(text.clone()),
        toml::Value::Integer(number) => Ok(number.to_string()),
        toml::Value::Float(number) => Ok(number.to_string()),
        toml::Value::Boolean(on) => Ok(on.to_string()),
        other => Err(format!("a {} is no property value", other.type_str())),
    }
}

fn structure(name: &str, fields: &toml::Table) -> Result<gst::Structure, String> {
    let mut structure = gst::Structure::new_empty("controls");
    for (field, value) in fields {
        match value {
            toml::Value::Integer(number) => {
                let number = i32::try_from(*number)
                    .map_err(|_| format!("`{name}.{field}` does not fit 32 bits"))?;
                structure.set(field.as_str(), number);
            }
            toml::Value::Boolean(on) => structure.set(field.as_str(), *on),
            toml::Value::String(text) => structure.set(field.as_str(), text.as_str()),
            other => {
                return Err(format!("`{name}.{field}` cannot be a {}", other.type_str()));
            }
        }
    }
    Ok(structure)
}

/// Sets a property from its text form after checking its type and range.
fn set(element: &gst::Element, name: &str, text: &str) -> Result<(), String> {
    let pspec = spec(element, name)?;
    let value = gst::glib::Value::deserialize_with_pspec(text, &pspec)
        .map_err(|_| format!("`{text}` is no {} for `{name}`", pspec.value_type()))?;
    set_value(element, name, value)
}

fn set_value(element: &gst::Element, name: &str, value: gst::glib::Value) -> Result<(), String> {
    let pspec = spec(element, name)?;
    if !value.type_().is_a(pspec.value_type()) {
        return Err(format!("`{name}` wants a {}", pspec.value_type()));
    }
    if !in_range(&pspec, &value) {
        return Err(format!("the value of `{name}` is out of its range"));
    }
    element.set_property_from_value(name, &value);
    Ok(())
}

fn spec(element: &gst::Element, name: &str) -> Result<gst::glib::ParamSpec, String> {
    let factory = element.factory().map(|f| f.name()).unwrap_or_default();
    element
        .find_property(name)
        .filter(|pspec| pspec.flags().contains(gst::glib::ParamFlags::WRITABLE))
        .ok_or_else(|| {
            let properties = element.list_properties();
            let known = properties.iter().map(|p| p.name());
            let near = known.max_by_key(|k| (strsim::jaro_winkler(k, name) * 1000.0) as u32);
            format!(
                "`{factory}` has no writable property `{name}`; the nearest is `{}`",
                near.unwrap_or_default()
            )
        })
}

fn in_range(pspec: &gst::glib::ParamSpec, value: &gst::glib::Value) -> bool {
    use gst::glib::{ParamSpecDouble, ParamSpecInt, ParamSpecUInt};
    if let (Some(spec), Ok(v)) = (pspec.downcast_ref::<ParamSpecInt>(), value.get::<i32>()) {
        return (spec.minimum()..=spec.maximum()).contains(&v);
    }
    if let (Some(spec), Ok(v)) = (pspec.downcast_ref::<ParamSpecUInt>(), value.get::<u32>()) {
        return (spec.minimum()..=spec.maximum()).contains(&v);
    }
    if let (Some(spec), Ok(v)) = (pspec.downcast_ref::<ParamSpecDouble>(), value.get::<f64>()) {
        return (spec.minimum()..=spec.maximum()).contains(&v);
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::worker::media::template::file::Body;

    #[test]
    fn a_machine_that_is_too_slow_gets_the_cheaper_properties() {
        gst::init().unwrap();
        let text = "kind = 'video-encoder'\n[[element]]\nfactory = 'identity'\n\
                    properties = { name = 'usual' }\ncheaper = { name = 'cheaper' }\n\
                    [[element.variant]]\nlines-max = 360\nproperties = { name = 'small' }\n";
        let template = Template::parse("t", "t.toml".to_owned(), text.to_owned()).unwrap();
        assert!(template.has_cheaper());
        for (lines, is_cheaper, name) in [
            (720, false, "usual"),
            (240, false, "small"),
            (720, true, "cheaper"),
            (240, true, "cheaper"),
        ] {
            let values = Values::default().with(Variable::Lines, lines);
            let chain = build(&template, &values.cheaper(is_cheaper)).unwrap();
            assert_eq!(chain.elements()[0].name(), name);
        }
    }

    #[test]
    fn the_first_variant_that_fits_is_taken() {
        let body: Body = toml::from_str(
            "kind = 'video-encoder'\n[[element]]\nfactory = 'x264enc'\n\
             [[element.variant]]\nlines-max = 360\nproperties = { speed-preset = 'fast' }\n\
             [[element.variant]]\nlines-max = 576\nproperties = { speed-preset = 'faster' }\n",
        )
        .unwrap();
        let taken = |lines| {
            let values = Values::default().with(Variable::Lines, lines);
            values.variant(&body.element[0]).map(|v| v.lines_max)
        };
        assert_eq!(taken(240), Some(360));
        assert_eq!(taken(360), Some(360));
        assert_eq!(taken(480), Some(576));
        assert_eq!(taken(720), None);
        assert!(Values::default().variant(&body.element[0]).is_none());
    }
}
