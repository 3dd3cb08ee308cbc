//! Microsoft Graph's `signIn` object.

use super::super::World;
use super::super::dice::IdKind;
use super::super::event::Event;
use super::text::{number, raw, time, token_id};
use super::{APPS, Renderer, parts};

impl Renderer {
    pub(super) fn write_graph(&mut self, event: &Event, world: &World, out: &mut Vec<u8>) {
        let app = &APPS[usize::from(event.app)];
        raw(out, "{\"id\":\"");
        self.request_id(event, out);
        raw(out, "\",\"createdDateTime\":\"");
        time(out, event.time);
        raw(out, "Z\",\"userDisplayName\":\"");
        self.display_name(event, out);
        raw(out, "\",\"userPrincipalName\":\"");
        self.principal_name(event, out);
        raw(out, "\",\"userId\":\"");
        self.user_id(event, out);
        raw(out, "\",\"appId\":\"");
        raw(out, app.id);
        raw(out, "\",\"appDisplayName\":\"");
        self.app_name(event, out);
        raw(out, "\",\"ipAddress\":\"");
        self.address(event.address, world, out);
        raw(out, "\",\"autonomousSystemNumber\":");
        number(out, u64::from(world.atlas.network(event.address.network).asn));
        raw(out, ",\"clientAppUsed\":\"");
        raw(out, parts::client_app(event.protocol));
        raw(out, "\",\"userAgent\":\"");
        self.user_agent(event, out);
        raw(out, "\",\"correlationId\":\"");
        self.guid(IdKind::Correlation, event.correlation, out);
        raw(out, "\",\"originalRequestId\":\"");
        self.request_id(event, out);
        raw(out, "\",\"conditionalAccessStatus\":\"");
        raw(out, parts::conditional_access(event));
        raw(out, "\",\"isInteractive\":");
        raw(out, if event.is_interactive() { "true" } else { "false" });
        raw(out, ",\"signInEventTypes\":[\"");
        raw(out, if event.is_interactive() { "interactiveUser" } else { "nonInteractiveUser" });
        raw(out, "\"],\"tokenIssuerName\":\"");
        self.issuer_name(event, out);
        raw(out, "\",\"tokenIssuerType\":\"");
        raw(out, parts::issuer_type(event));
        raw(out, "\",\"userType\":\"member\"");
        raw(out, ",\"riskDetail\":\"none\",\"riskLevelAggregated\":\"none\",\"riskLevelDuringSignIn\":\"none\"");
        raw(
            out,
            ",\"riskState\":\"none\",\"riskEventTypes\":[],\"riskEventTypes_v2\":[],\"resourceDisplayName\":\"",
        );
        raw(out, app.resource);
        raw(out, "\",\"resourceId\":\"");
        raw(out, app.resource_id);
        raw(out, "\",\"authenticationRequirement\":\"");
        raw(out, parts::requirement(event));
        raw(out, "\",\"status\":");
        self.status(event, out);
        raw(out, ",\"deviceDetail\":");
        self.device(event, out);
        raw(out, ",\"location\":");
        self.location_of(event, world, out);
        raw(out, ",\"authenticationDetails\":");
        self.authentication_details(event, out);
        raw(out, ",\"authenticationProcessingDetails\":");
        self.processing_details(event, out);
        raw(out, ",\"incomingTokenType\":\"");
        raw(out, parts::incoming_token(event));
        raw(out, "\",\"authenticationProtocol\":\"");
        raw(out, parts::protocol(event));
        raw(out, "\",\"uniqueTokenIdentifier\":\"");
        token_id(out, &super::guid(self.seed, IdKind::Request, event.id));
        raw(out, "\",\"sessionId\":\"");
        if event.session != 0 {
            self.guid(IdKind::Session, event.session, out);
        }
        raw(out, "\",\"servicePrincipalId\":\"\",\"appliedConditionalAccessPolicies\":[]}");
    }
}
