//! The Log Analytics row: Pascal-case columns; dynamic ones are objects in the interactive table and JSON text in
//! the non-interactive one, as Sentinel exports them.

use super::super::World;
use super::super::dice::IdKind;
use super::super::event::{Ending, Event};
use super::text::{embedded, number, raw, time};
use super::{APPS, Renderer, parts};

impl Renderer {
    pub(super) fn write_row(&mut self, event: &Event, world: &World, out: &mut Vec<u8>) {
        let interactive = event.is_interactive();
        raw(out, "{\"TenantId\":\"");
        self.guid(IdKind::Tenant, 1, out);
        raw(out, "\",\"SourceSystem\":\"Azure AD\",\"TimeGenerated\":\"");
        time(out, event.time);
        raw(out, "Z\",\"CreatedDateTime\":\"");
        time(out, event.time);
        raw(out, "Z\",\"ResourceId\":\"/tenants/");
        out.extend_from_slice(&self.tenant);
        raw(out, "/providers/Microsoft.aadiam\",\"OperationName\":\"Sign-in activity\",\"Category\":\"");
        raw(out, if interactive { "SignInLogs" } else { "NonInteractiveUserSignInLogs" });
        raw(out, "\",\"ResultType\":\"");
        number(out, u64::from(event.ending.code()));
        raw(out, "\",\"ResultSignature\":\"None\",\"ResultDescription\":\"");
        if event.ending != Ending::Success {
            raw(out, event.ending.reason());
        }
        raw(out, "\",\"DurationMs\":0,\"CorrelationId\":\"");
        self.guid(IdKind::Correlation, event.correlation, out);
        raw(out, "\",\"Identity\":\"");
        self.display_name(event, out);
        raw(out, "\",\"Level\":\"4\",\"Location\":\"");
        self.country_of(event, world, out);
        self.who_and_what(event, world, out);
        self.dynamic_columns(event, world, interactive, out);
        raw(out, ",\"AADTenantId\":\"");
        out.extend_from_slice(&self.tenant);
        raw(out, "\",\"SessionId\":\"");
        if event.session != 0 {
            self.guid(IdKind::Session, event.session, out);
        }
        raw(out, "\",\"UserType\":\"Member\",\"RiskState\":\"none\",\"RiskEventTypes_V2\":\"[]\",\"Type\":\"");
        raw(out, if interactive { "SigninLogs" } else { "AADNonInteractiveUserSignInLogs" });
        raw(out, "\"}");
    }

    fn who_and_what(&mut self, event: &Event, world: &World, out: &mut Vec<u8>) {
        let app = &APPS[usize::from(event.app)];
        raw(out, "\",\"Id\":\"");
        self.request_id(event, out);
        raw(out, "\",\"UserId\":\"");
        self.user_id(event, out);
        raw(out, "\",\"UserPrincipalName\":\"");
        self.principal_name(event, out);
        raw(out, "\",\"UserDisplayName\":\"");
        self.display_name(event, out);
        raw(out, "\",\"IPAddress\":\"");
        self.address(event.address, world, out);
        raw(out, "\",\"AutonomousSystemNumber\":\"");
        number(out, u64::from(world.atlas.network(event.address.network).asn));
        raw(out, "\",\"AppId\":\"");
        raw(out, app.id);
        raw(out, "\",\"AppDisplayName\":\"");
        self.app_name(event, out);
        raw(out, "\",\"ResourceIdentity\":\"");
        raw(out, app.resource_id);
        raw(out, "\",\"ResourceDisplayName\":\"");
        raw(out, app.resource);
        raw(out, "\",\"ClientAppUsed\":\"");
        raw(out, parts::client_app(event.protocol));
        raw(out, "\",\"AuthenticationRequirement\":\"");
        raw(out, parts::requirement(event));
        raw(out, "\",\"ConditionalAccessStatus\":\"");
        raw(out, parts::conditional_access(event));
        raw(out, "\",\"AuthenticationProtocol\":\"");
        raw(out, parts::protocol(event));
        raw(out, "\",\"IncomingTokenType\":\"");
        raw(out, parts::incoming_token(event));
        raw(out, "\",\"TokenIssuerName\":\"");
        self.issuer_name(event, out);
        raw(out, "\",\"TokenIssuerType\":\"");
        raw(out, parts::issuer_type(event));
        raw(out, "\",\"IsInteractive\":");
        raw(out, if event.is_interactive() { "true" } else { "false" });
        raw(out, ",\"UserAgent\":\"");
        self.user_agent(event, out);
        raw(out, "\"");
    }

    fn dynamic_columns(&mut self, event: &Event, world: &World, as_objects: bool, out: &mut Vec<u8>) {
        let mut scratch = std::mem::take(&mut self.scratch);
        type Write = fn(&Renderer, &Event, &World, &mut Vec<u8>);
        let columns: [(&str, bool, Write); 5] = [
            ("DeviceDetail", as_objects, |renderer, event, _, out| renderer.device(event, out)),
            ("LocationDetails", as_objects, |renderer, event, world, out| renderer.location_of(event, world, out)),
            ("Status", as_objects, |renderer, event, _, out| renderer.status(event, out)),
            ("ConditionalAccessPolicies", as_objects, |renderer, event, _, out| {
                renderer.policies.write(renderer.seed, event, out);
            }),
            // Text in both tables.
            ("AuthenticationDetails", false, |renderer, event, _, out| {
                renderer.authentication_details(event, out)
            }),
        ];
        for (name, is_object, write) in columns {
            raw(out, ",\"");
            raw(out, name);
            raw(out, "\":");
            if is_object {
                write(self, event, world, out);
            } else {
                scratch.clear();
                write(self, event, world, &mut scratch);
                embedded(out, &scratch);
            }
        }
        self.scratch = scratch;
    }
}
