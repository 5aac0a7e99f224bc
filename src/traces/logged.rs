//! The identifiers of the span in whose course a line is logged.

use std::fmt::{self, Write as _};

use opentelemetry::Context;
use opentelemetry::trace::{SpanContext, TraceContextExt as _};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

/// Writes lines as `F` does, with `trace_id` and `span_id` at their end.
pub(crate) struct WithIds<F> {
    /// Writes the line.
    pub(crate) lines: F,
    /// Whether it is a JSON object.
    pub(crate) json: bool,
}

impl<F> WithIds<F> {
    fn append(&self, line: &mut String, span: &SpanContext) -> fmt::Result {
        let (trace, span) = (span.trace_id(), span.span_id());
        let end = line.trim_end().len();
        line.truncate(end);
        match line.strip_suffix('}').map(str::len) {
            Some(end) if self.json => {
                line.truncate(end);
                write!(line, r#","trace_id":"{trace}","span_id":"{span}"}}"#)?;
            }
            _ => write!(line, " trace_id={trace} span_id={span}")?,
        }
        line.write_char('\n')
    }
}

impl<S, N, F> FormatEvent<S, N> for WithIds<F>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
    F: FormatEvent<S, N>,
{
    fn format_event(&self, context: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let span = Context::map_current(|context| context.span().span_context().clone());
        if !span.is_valid() {
            return self.lines.format_event(context, writer, event);
        }
        let mut line = String::new();
        self.lines.format_event(context, Writer::new(&mut line), event)?;
        self.append(&mut line, &span)?;
        writer.write_str(&line)
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry::trace::{SpanId, TraceFlags, TraceId, TraceState};

    use super::*;

    fn with_ids(json: bool, line: &str) -> String {
        let (trace, span) = (TraceId::from(0xab), SpanId::from(0xcd));
        let span = SpanContext::new(trace, span, TraceFlags::SAMPLED, false, TraceState::default());
        let mut line = line.to_owned();
        WithIds { lines: (), json }.append(&mut line, &span).unwrap();
        line
    }

    #[test]
    fn t373_identifiers_come_last_in_a_line_of_either_form() {
        let (trace, span) = ("000000000000000000000000000000ab", "00000000000000cd");
        let json = with_ids(true, "{\"message\":\"step\"}\n");
        assert_eq!(
            json,
            format!("{{\"message\":\"step\",\"trace_id\":\"{trace}\",\"span_id\":\"{span}\"}}\n")
        );
        let text = with_ids(false, "INFO step {}\n");
        assert_eq!(text, format!("INFO step {{}} trace_id={trace} span_id={span}\n"));
    }
}
