//! The Azure Monitor / Event Hub form, with all the keys a tenant's stream usually carries.

use super::super::World;
use super::super::dice::{IdKind, hash};
use super::super::event::{Ending, Event, Subject};
use super::text::{guid, number, raw, time, token_id};
use super::{APPS, Renderer, parts};

impl Renderer {
    pub(super) fn write_event_hub(&mut self, event: &Event, world: &World, out: &mut Vec<u8>) {
        let category = if event.is_interactive() { "SignInLogs" } else { "NonInteractiveUserSignInLogs" };
        self.outer(event, category, world, out);
        raw(out, ",\"properties\":{\"id\":\"");
        self.request_id(event, out);
        raw(out, "\",\"createdDateTime\":\"");
        time(out, event.time);
        raw(out, "+00:00\",\"userDisplayName\":\"");
        self.display_name(event, out);
        raw(out, "\",\"userPrincipalName\":\"");
        self.principal_name(event, out);
        raw(out, "\",\"userId\":\"");
        self.user_id(event, out);
        self.app_and_client(event, world, out);
        self.policies_and_steps(event, out);
        self.resource(event, out);
        raw(out, ",\"authenticationProcessingDetails\":");
        self.processing_details(event, out);
        self.networks_and_tokens(event, out);
        raw(out, "}}");
    }

    /// The record around `properties`, open at its end.
    fn outer(&mut self, event: &Event, category: &str, world: &World, out: &mut Vec<u8>) {
        raw(out, "{\"time\":\"");
        time(out, event.time);
        raw(out, "Z\",\"resourceId\":\"/tenants/");
        out.extend_from_slice(&self.tenant);
        raw(
            out,
            "/providers/Microsoft.aadiam\",\"operationName\":\"Sign-in activity\",\"operationVersion\":\"1.0\",\
             \"category\":\"",
        );
        raw(out, category);
        raw(out, "\",\"tenantId\":\"");
        out.extend_from_slice(&self.tenant);
        raw(out, "\",\"resultType\":\"");
        number(out, u64::from(event.ending.code()));
        raw(out, "\",\"resultSignature\":\"");
        if event.ending == Ending::Success {
            raw(out, "SUCCESS");
        } else {
            raw(out, "FAILURE\",\"resultDescription\":\"");
            raw(out, event.ending.reason());
        }
        raw(out, "\",\"durationMs\":0,\"callerIpAddress\":\"");
        self.address(event.address, world, out);
        raw(out, "\",\"correlationId\":\"");
        self.guid(IdKind::Correlation, event.correlation, out);
        raw(out, "\",\"identity\":\"");
        self.display_name(event, out);
        raw(out, "\",\"Level\":4,\"location\":\"");
        self.country_of(event, world, out);
        raw(out, "\"");
    }

    fn app_and_client(&mut self, event: &Event, world: &World, out: &mut Vec<u8>) {
        let app = &APPS[usize::from(event.app)];
        raw(out, "\",\"appId\":\"");
        raw(out, app.id);
        raw(out, "\",\"appDisplayName\":\"");
        self.app_name(event, out);
        raw(out, "\",\"ipAddress\":\"");
        self.address(event.address, world, out);
        raw(out, "\",\"status\":");
        self.status(event, out);
        raw(out, ",\"clientAppUsed\":\"");
        raw(out, parts::client_app(event.protocol));
        raw(out, "\",\"userAgent\":\"");
        self.user_agent(event, out);
        raw(out, "\",\"deviceDetail\":");
        self.device(event, out);
        raw(out, ",\"location\":");
        self.location_of(event, world, out);
        raw(out, ",\"mfaDetail\":{},\"correlationId\":\"");
        self.guid(IdKind::Correlation, event.correlation, out);
        raw(out, "\",\"conditionalAccessStatus\":\"");
        raw(out, parts::conditional_access(event));
        raw(out, "\",\"autonomousSystemNumber\":");
        number(out, u64::from(world.atlas.network(event.address.network).asn));
    }

    fn policies_and_steps(&mut self, event: &Event, out: &mut Vec<u8>) {
        raw(out, ",\"appliedConditionalAccessPolicies\":");
        self.policies.write(self.seed, event, out);
        raw(out, ",\"authenticationContextClassReferences\":[],\"originalRequestId\":\"");
        self.request_id(event, out);
        raw(out, "\",\"isInteractive\":");
        raw(out, if event.is_interactive() { "true" } else { "false" });
        raw(out, ",\"tokenIssuerName\":\"");
        self.issuer_name(event, out);
        raw(out, "\",\"tokenIssuerType\":\"");
        raw(out, parts::issuer_type(event));
        raw(out, "\",\"authenticationDetails\":");
        self.authentication_details(event, out);
        raw(out, ",\"authenticationRequirementPolicies\":");
        let requirement = parts::requirement(event);
        raw(
            out,
            if requirement == "multiFactorAuthentication" {
                "[{\"requirementProvider\":\"multiConditionalAccess\",\"detail\":\"Conditional Access\"}]"
            } else {
                "[]"
            },
        );
        raw(out, ",\"authenticationRequirement\":\"");
        raw(out, requirement);
        raw(
            out,
            "\",\"authenticationMethodsUsed\":[],\"alternateSignInName\":\"\",\"signInIdentifier\":\"\",\
             \"signInEventTypes\":[\"",
        );
        raw(out, if event.is_interactive() { "interactiveUser" } else { "nonInteractiveUser" });
        raw(out, "\"],\"servicePrincipalId\":\"\",\"userType\":\"Member\",\"flaggedForReview\":false,");
        raw(
            out,
            "\"isTenantRestricted\":false,\"riskDetail\":\"none\",\"riskEventTypes\":[],\"riskEventTypes_v2\":[],\
             \"riskLevelAggregated\":\"none\",\"riskLevelDuringSignIn\":\"none\",\"riskState\":\"none\"",
        );
    }

    fn resource(&self, event: &Event, out: &mut Vec<u8>) {
        let app = &APPS[usize::from(event.app)];
        raw(out, ",\"processingTimeInMilliseconds\":");
        number(out, 40 + hash(self.seed, IdKind::Secret, event.id) % 400);
        raw(out, ",\"resourceDisplayName\":\"");
        raw(out, app.resource);
        raw(out, "\",\"resourceId\":\"");
        raw(out, app.resource_id);
        for key in ["resourceTenantId", "homeTenantId"] {
            raw(out, "\",\"");
            raw(out, key);
            raw(out, "\":\"");
            out.extend_from_slice(&self.tenant);
        }
        raw(out, "\",\"resourceServicePrincipalId\":\"");
        self.guid(IdKind::Secret, u64::from(event.app), out);
        raw(out, "\",\"appServicePrincipalId\":null,\"homeTenantName\":\"\",\"crossTenantAccessType\":\"none\"");
    }

    fn networks_and_tokens(&self, event: &Event, out: &mut Vec<u8>) {
        raw(out, ",\"networkLocationDetails\":[],\"privateLinkDetails\":{},\"ssoExtensionVersion\":\"\"");
        raw(out, ",\"sessionLifetimePolicies\":");
        raw(
            out,
            if event.client.device == 0 {
                "[{\"expirationRequirement\":\"tenantTokenLifetimePolicy\",\"detail\":\"Sign-in frequency\"}]"
            } else {
                "[]"
            },
        );
        raw(out, ",\"appliedEventListeners\":[],\"authenticationStrengths\":[],");
        raw(out, "\"conditionalAccessAudiences\":[{\"applicationId\":\"");
        raw(out, APPS[usize::from(event.app)].resource_id);
        raw(out, "\",\"audienceReasons\":\"none\"}],\"uniqueTokenIdentifier\":\"");
        token_id(out, &super::guid(self.seed, IdKind::Request, event.id));
        raw(out, "\",\"incomingTokenType\":\"");
        raw(out, parts::incoming_token(event));
        raw(out, "\",\"authenticationProtocol\":\"");
        raw(out, parts::protocol(event));
        raw(out, "\",\"originalTransferMethod\":\"none\",\"clientCredentialType\":\"none\",");
        raw(out, "\"signInTokenProtectionStatus\":\"none\",");
        raw(out, "\"ipAddressFromResourceProvider\":\"\",\"isThroughGlobalSecureAccess\":false,");
        raw(out, "\"globalSecureAccessIpAddress\":\"\",");
        raw(out, "\"agent\":{\"agentType\":\"notAgentic\",\"agentSubjectType\":\"notAgentic\"},\"rngcStatus\":0");
        if event.session != 0 {
            raw(out, ",\"sessionId\":\"");
            self.guid(IdKind::Session, event.session, out);
            raw(out, "\"");
        }
    }

    /// A service principal's record: shorter, without a user.
    pub(super) fn write_principal(&mut self, principal: u32, event: &Event, world: &World, out: &mut Vec<u8>) {
        self.outer(event, "ServicePrincipalSignInLogs", world, out);
        raw(out, ",\"properties\":{\"id\":\"");
        self.request_id(event, out);
        raw(out, "\",\"createdDateTime\":\"");
        time(out, event.time);
        raw(out, "+00:00\",\"userId\":null,\"appId\":\"");
        self.guid(IdKind::Principal, u64::from(principal) | 1 << 40, out);
        raw(out, "\",\"ipAddress\":\"");
        self.address(event.address, world, out);
        raw(out, "\",\"status\":");
        self.status(event, out);
        raw(out, ",\"location\":");
        self.location_of(event, world, out);
        raw(out, ",\"correlationId\":\"");
        self.guid(IdKind::Correlation, event.correlation, out);
        raw(out, "\",\"autonomousSystemNumber\":");
        number(out, u64::from(world.atlas.network(event.address.network).asn));
        raw(
            out,
            ",\"conditionalAccessStatus\":\"notApplied\",\"appliedConditionalAccessPolicies\":[],\
             \"isInteractive\":false,\"tokenIssuerType\":\"AzureAD\",\"authenticationProcessingDetails\":[],\
             \"processingTimeInMilliseconds\":0,\"riskDetail\":\"none\",\"riskLevelAggregated\":\"low\",\
             \"riskLevelDuringSignIn\":\"low\",\"riskState\":\"none\",\"servicePrincipalName\":\"svc-",
        );
        number(out, u64::from(principal));
        raw(out, "\",\"servicePrincipalId\":\"");
        self.user_id(event, out);
        raw(out, "\",\"resourceDisplayName\":\"Microsoft Graph\",\"flaggedForReview\":false,");
        raw(out, "\"servicePrincipalCredentialKeyId\":\"");
        guid(out, &super::guid(self.seed, IdKind::Secret, u64::from(principal) | 1 << 40));
        raw(out, "\",\"uniqueTokenIdentifier\":\"");
        token_id(out, &super::guid(self.seed, IdKind::Request, event.id));
        raw(out, "\",\"incomingTokenType\":\"none\",\"authenticationProtocol\":\"none\"}}");
        debug_assert!(matches!(event.subject, Subject::Principal(_)));
    }
}
