//! The rows of the decision table, with their texts. The tables of `docs/decisions.md` are generated from here.

/// Declares the rows: name, condition, what follows.
macro_rules! rows {
    ($($part:ident { $($row:ident $when:literal => $then:literal;)+ })+) => {
        /// A row of the decision table. Its name is that of the document.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[allow(missing_docs, reason = "each row has its text, which `when` and `then` give")]
        pub enum Row { $($($row,)+)+ }

        impl Row {
            /// Every row, in the order of the table.
            pub const ALL: &[Self] = &[$($(Self::$row,)+)+];

            /// When it matches, if none before it does.
            #[must_use]
            pub const fn when(self) -> &'static str {
                match self { $($(Self::$row => $when,)+)+ }
            }

            /// What follows: an effect, or the verdict.
            #[must_use]
            pub const fn then(self) -> &'static str {
                match self { $($(Self::$row => $then,)+)+ }
            }

            /// The part of the table that it stands in.
            #[must_use]
            pub const fn part(self) -> Part {
                match self { $($(Self::$row => Part::$part,)+)+ }
            }
        }
    };
}

/// A part of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// B: what the last answer calls for, and what ends a pass.
    Before,
    /// A: what every object is asked first.
    First,
    /// T: an object that was restored with a new UID.
    Restore,
    /// C: a client without a record.
    Create,
    /// K: a recorded client.
    Keep,
    /// R: a recorded client that the provider seems to have lost.
    Recreate,
    /// D: an object under deletion.
    Delete,
    /// E: an object that is gone.
    Gone,
}

rows! {
    Before {
        B1 "the last call failed in a way that has to be tried again until it succeeds, because a provider has issued what it is about"
            => "wait";
        B2 "the object is another one than this pass took it for (a conditional write was refused)"
            => "read it, take over what the watches know, and begin anew; after five times, verdict: failed";
        B3 "a write of the credentials Secret, or of the record, found another version of it"
            => "read it";
        B4 "the pass has taken 64 steps"
            => "the pass ends: a defect of the planner, which is reported";
        B5 "the leadership has ended, and nothing that a provider has issued is in hand"
            => "part E, else the pass ends; an attempt that was opened and not sent is noted as not applied";
        B6 "the operator stops, and nothing is in hand: no answer, no opened attempt, no update marked as in flight, no deregistration that no record tells of, no attempt without effect that no status tells of"
            => "the pass ends";
        B7 "the write of the status failed"
            => "the pass ends";
        B8 "the permit to call the provider has not come, and the object is not under deletion, or its timeout has not passed: a rate limit is the cause, and this is the first verdict on the generation, or the last one said so / else"
            => "verdict: failed (Progressing / DeletionBlocked), once / the pass ends; in both cases another one begins with the permit, and when the timeout has passed";
    }
    First {
        A1 "a registration's answer came, and nobody claimed its client yet"
            => "claim it, with all that names the client (part \"One owner\")";
        A1a "it is another object's client, or was there before"
            => "enter a suspect with all that the answer says of it, in dispute, where no record names it; then verdict: failed (AlreadyManaged)";
        A1b "a registration is in hand, and its record was refused because another one is there"
            => "read the record: of the same attempt or client, it counts; of the client that is replaced, go on; else it can never be stored";
        A1c "a registration is in hand that replaces the client of the record (part R)"
            => "replace the record";
        A1d "a registration is in hand"
            => "store the record";
        A1e "a registration in hand cannot be stored, and whether a record is there was not read since"
            => "read the record";
        A1f "the same, its client neither of a chosen identifier, nor carrying a mark while no record is there and the object lives"
            => "claim it for its deregistration";
        A1g "the same, claimed"
            => "deregister the client in hand";
        A1j "the same, its management URI is made from a template, and the client was not read there"
            => "read the client: shown, go on; else it counts as not deregistered";
        A1h "the same, not deregistered"
            => "keep it as a suspect, with its record; if that is refused too, all of it is tried again";
        A1i "a registration is in hand that replaces the client of the record, and that record was not kept as a suspect in the version that was read"
            => "keep it as a suspect";
        A2 "the answer of an update is in hand"
            => "save the record with everything that the answer states";
        A2a "a save found another version of the record"
            => "read the record: what it holds already, or what a newer update replaced, is no longer to be saved";
        A2b "the same, the record is gone, and what was to be saved holds an answer"
            => "read whether the object is gone";
        A2c "the same, read"
            => "create the record anew, as a tombstone if its object is gone too (part E)";
        A2d "a read after a refused call brought other credentials"
            => "save the record with them";
        A2f "the answer of an update came after another replica's update had begun, so nobody knows which was carried out last"
            => "save the record with that; the successor sends the metadata again";
        A2e "an update or a deregistration was answered with 404, which may only mean that the call is not offered"
            => "read the client";
        A3 "marker elsewhere, object lives / is being deleted"
            => "verdict: failed (ManagedElsewhere, which names that namespace) / verdict: failed (DeletionBlocked) until the timeout has passed; then read the object, enter a suspect with the client_id of the status, and remove the finalizer";
        A4 "deletionTimestamp"
            => "part D";
        A5 "namespace terminating / the operator's own, and not asked to serve it"
            => "verdict: nothing / failed (NamespaceNotAllowed)";
        A6 "`suspend`"
            => "verdict: suspended";
        A7 "an update was refused and the record still says that it is in flight, with no earlier one unanswered that may have rotated the token; with one, if the update was the request to go back to"
            => "save the record without it, and with the refusal of a request to go back to";
        A7a "no record, the provider lets a registration choose its client_id, this one was rejected, the client not looked up since"
            => "look the client up";
        A8 "a step failed"
            => "verdict: failed";
        A9 "verdict of this generation is Ready, and the client secret has not expired, or the verdict says so; the status names as many suspects as there are, and the provider has answered about the credentials; finalizer is there, record and credentials metadata agree with it, no deep look asked for"
            => "verdict: nothing";
        A9a "this may be a copy of another installation (its identity was kept under another UID of kube-system, of the operator's namespace or of the Secret that keeps it)"
            => "verdict: failed (ManagedElsewhere)";
        A10 "record unseen"
            => "read the record";
        A11 "record unreadable"
            => "verdict: failed (InternalError)";
        A12 "record present, of another cluster (this one is a clone or a restored backup of it)"
            => "verdict: failed (ManagedElsewhere)";
        A12a "record present, phase not Registered (the object was restored while its deletion ran)"
            => "verdict: failed (RecordLost)";
        A13 "record present"
            => "part K";
        A14 "else"
            => "parts T and C";
    }
    Restore {
        T1 "record present, marked as taken over by another object: object not read live / else"
            => "read it / save the record without the mark";
        T2 "record present, it replaces that of an earlier object: the earlier records not read / the earlier one is there and marked for this object, and holds newer credentials / the same with the same ones / else"
            => "find them live / save the record with them / remove it / save the record without that";
        T3 "record absent, no attempt opened in this pass, its known client not abandoned, and the watch shows the record of a registered client of another object of this name, or records without the label that tells: object not read live / the records not read"
            => "read it: the earlier object is gone / find them live, with the UID of the namespace";
        T3a "two of them are one client, because a restored object took it over and its deletion or loss left the earlier record: the earlier one holds newer credentials / else"
            => "save them in the other one / remove the earlier one";
        T4 "an attempt of this object, and of none of them, is open or has registered a client / none of them is registered and of this namespace and name"
            => "part C";
        T5 "provider unresolved / refused / its issuer not stated and not discovered"
            => "resolve it / verdict: failed / discover";
        T6 "more than one, one that cannot be read, of another cluster, a call in flight, another issuer, or another UID of the namespace and no permission by annotation: finalizer missing / else"
            => "add it: a deletion tells of the client / verdict: failed (RestoreRefused)";
        T7 "finalizer or marker of the attempt of the earlier record missing"
            => "patch both onto the object";
        T8 "the earlier record not marked"
            => "mark it as taken over by this object: no pass over the earlier object may change it any more";
        T9 "else"
            => "create the record of this object from it";
    }
    Create {
        C1 "absence of the record known from the watch only, and marker, clientID or our Secret say that there was an attempt"
            => "read the record live";
        C2 "clientID known, or our credentials Secret exists, not abandoned, and no `spec.adopt`"
            => "verdict: failed (RecordLost)";
        C2a "our credentials Secret exists, and no clientID is known: it was not read"
            => "read it";
        C3 "that client was abandoned and is no suspect yet"
            => "enter a suspect with its client_id";
        C4 "provider unresolved"
            => "resolve it";
        C5 "provider refused"
            => "verdict: failed";
        C5a "marker open, opened by another replica, and known for less than the provider's deadline and that of a record"
            => "verdict: failed (Progressing, transient)";
        C5b "marker open, the provider can be looked up (below), its attempt not abandoned if it is known by a mark, endpoints unknown"
            => "discover";
        C5c "the same, not looked up"
            => "look the client up: found, it is the registration in hand (A1)";
        C5d "marker open, its attempt is no suspect yet, not known to be absent, and the API server has not shown the object in this pass"
            => "read it: a view that lags behind may lack what the status tells of that attempt";
        C6 "marker open, its attempt is no suspect yet, not known to be absent"
            => "enter a suspect";
        C7 "marker open, attempt not abandoned, not known to be absent, and (policy Hold, or another suspect of this UID)"
            => "verdict: failed (OutcomeUnknown)";
        C8 "the manifest can never work"
            => "verdict: failed (InvalidSpec)";
        C8a "`spec.adopt` is set: the provider object does not allow it, or its clients have no tokens / Secret foreign / token not read / unusable / endpoints unknown / dry runs not done / finalizer missing / else"
            => "verdict: failed (AdoptionNotAllowed, InvalidSpec) / failed (SecretConflict) / read it / verdict: failed / discover / dry-run both Secrets / add the finalizer / read the client with the token: shown, it is the answer to claim (A1)";
        C8c "the provider object rejects substitutions, and its clients are not managed"
            => "verdict: failed (InvalidSpec)";
        C9 "this very request was rejected by this very provider, or its client was, the last attempt did not register a client, and no new `reconcile` value asks for another try: the status says so / says something else by now"
            => "verdict: nothing / verdict: failed (SubstitutionRejected)";
        C9a "no attempt opened, and the provider asked for a pause that lasts"
            => "verdict: failed (RateLimited, transient, after the rest)";
        C10 "endpoints unknown"
            => "discover";
        C10a "the provider does not support the authentication method that the manifest sets, or none that can be chosen"
            => "verdict: failed (AuthMethodUnsupported)";
        C11 "credentials Secret foreign / a former owner's"
            => "verdict: failed (SecretConflict / SecretBeingRemoved)";
        C11a "no attempt opened, registrations at this provider denied"
            => "verdict: failed (ProviderUnavailable, after the rest)";
        C12 "dry runs not done"
            => "dry-run both Secrets";
        C13 "no attempt opened in this pass"
            => "open an attempt: marker and finalizer in one conditional patch";
        C14 "else"
            => "register";
    }
    Keep {
        K1 "finalizer missing, and marker too / finalizer missing"
            => "patch both onto the object / put it back";
        K1a "marker open, of another attempt than the record's, opened by another replica less than a minute ago"
            => "verdict: failed (Progressing, transient)";
        K1b "the same, opened by this one or long ago, client_id not a chosen one, no suspect yet"
            => "enter a suspect, which closes the attempt as suspected";
        K1c "the same, client_id a chosen one, not looked up"
            => "resolve the provider, discover, look the client up: found, it is the registration in hand (A1), whose secret may be another";
        K1d "the provider substituted values of the last update, its object says Reject, and the former request was not sent again: provider unresolved / refused / else"
            => "resolve it / verdict: failed / send the former request as an update (K12 to K15)";
        K2a "the client authenticates by a secret that the provider never issued"
            => "go on with K7";
        K2 "credentials metadata is what the status says and the generation is judged Ready, or only its expired secret keeps it from being Ready"
            => "(in sync, go on with K7)";
        K3 "credentials Secret unseen"
            => "read it";
        K4 "absent"
            => "create it from the record";
        K5 "foreign / a former owner's"
            => "verdict: failed (SecretConflict / SecretBeingRemoved)";
        K6 "ours and different"
            => "patch it, or replace it where a patch cannot do it";
        K7 "the client was registered in this pass with no values that are rejected, or the generation is judged Ready, but for an expired secret, with this client_id and no deep look is asked for; nothing in flight, no update overtaken"
            => "go on with K15a";
        K8 "provider unresolved"
            => "resolve it";
        K9 "provider refused: for a reason that does not pass by itself, the generation is judged Ready and nothing is in flight / else"
            => "go on with K15a / verdict: failed";
        K10 "the manifest can never work"
            => "verdict: failed (InvalidSpec)";
        K10a "the `replace` annotation names the recorded client, and that was not done: this request was rejected / endpoints unknown / of another issuer / object not read / else"
            => "verdict: nothing / discover / verdict: failed (ProviderChanged) / read it / rows R4a to R7, without the breaker for clients registered anew";
        K10d "endpoints known, and the manifest sets another authentication method than the stored request, which the provider does not support; or it sets none any more, and the provider supports none that can be chosen"
            => "verdict: failed (AuthMethodUnsupported)";
        K10b "`spec.adopt` names another token than was taken over last: not read / unusable / endpoints unknown / of another issuer / else"
            => "read it / verdict: failed, unless the same reference was taken over before / discover / verdict: failed (ProviderChanged) / read the client with the token: the recorded one, it is the answer to save (A2)";
        K10c "nothing in flight, no update overtaken, and the endpoints of the provider, as far as discovery has found them, or the authorities, origins, deadlines or management settings of the provider object differ from those in the record; the issuer is the same"
            => "save the record with them; then the Secret is compared with it (K6)";
        K11b "nothing in flight, the stored request equals the wanted one, and the client was noted as missing"
            => "save the record without that";
        K11 "nothing in flight, no update overtaken, the stored request equals the wanted one, no member is left at the provider that another way of clearing may take out, and no new `reconcile` value asks for another try of values that the provider substituted"
            => "go on with K15a";
        K11c "the update of this pass cleared a member that the manifest no longer sets, and the provider refused it; the rest of the request is accepted already, or it may be sent without that"
            => "save the record with nothing in flight, and with this way of clearing as tried";
        K11a "the update of this pass was answered \"gone or unauthorised\", and nothing was in flight before"
            => "part R";
        K12 "nothing else in flight, and this very change was rejected by this very provider, nothing else has failed since, and no new `reconcile` value asks for another try"
            => "verdict: nothing";
        K12a "nothing in flight but what clears a member, and this very change was taken back at this very provider, or the provider refused the former request for good, and no new `reconcile` value asks for another try: a member that only the change has set is left at the provider, and another way of clearing may take it out / else"
            => "send the former request once more (K12 to K15) / verdict: failed (SubstitutionRejected)";
        K13 "the provider offers no management, or the answer to the registration lacks a member that the management URI needs"
            => "verdict: failed (UpdateUnsupported) / failed (InvalidResponse)";
        K13a "no update marked in this pass, and the provider asked for a pause that lasts"
            => "verdict: failed (RateLimited, transient, after the rest)";
        K14 "endpoints unknown / of another issuer"
            => "discover / verdict: failed (ProviderChanged)";
        K14a "the object was not read live in this pass"
            => "read it: a view that lags behind must not undo a newer change";
        K14b "an update in flight, sent by another replica, and known for less than the provider's deadline and that of a record"
            => "verdict: failed (Progressing, transient)";
        K15 "this very change not marked in flight by this pass, nor by an earlier one of this process after an update that was not answered; else"
            => "save the record with `inFlight`; update";
        K15a "the client authenticates by a secret that the provider never issued / the answer to its registration lacks a member that the management URI needs"
            => "verdict: failed (SecretNotIssued) / failed (InvalidResponse)";
        K15e "the client secret has expired"
            => "verdict: failed (SecretExpired)";
        K15f "the credentials were never tried as they are now, or were rejected or not answered and are to be tried again (below), and the provider is unresolved"
            => "resolve it";
        K15c "the same, not tried in this pass, and they can be tried: the client has a secret that is sent in a header or a form, an endpoint tells, `verify` is not Never"
            => "try them once";
        K15b "a suspect names the recorded client: not confirmed / the suspect is the copy of this record, which was not touched since / else"
            => "list the records live / save the record with another mark, so that no former leader replaces it unseen / remove the suspect in the version that was there before the list";
        K15d "the client was taken over, and a retained record or a suspect of another object names it"
            => "remove that";
        K16 "our Secrets under other names, and the status names the new one"
            => "delete one of them";
        K16a "the credentials are rejected, for the first, second or third time"
            => "verdict: failed (SecretRejected, transient, after 5, 15 or 60 s; after 60 s where nothing can be tried now)";
        K16b "they are rejected for the fourth time, and no new `reconcile` value asks for another try"
            => "verdict: failed (SecretRejected)";
        K16c "the manifest sets an authentication method, and the provider states another one"
            => "verdict: failed (AuthMethodSubstituted)";
        K17 "else"
            => "verdict: Ready";
    }
    Recreate {
        R1 "the client's own credentials not tried"
            => "try them; if they are rejected, try those of another client of this provider, recorded since these were last accepted";
        R2 "accepted, or unclear, or never accepted before, or the other client is not accepted either, or `verify` is Never: noted as missing / else"
            => "save the record without that / verdict: failed (ManagementLost)";
        R3 "rejected, and that was not noted"
            => "save the record with the time";
        R4 "noted less than 60 s ago (no other client: less than an hour)"
            => "verdict: failed (ClientMissing, transient)";
        R4b "no attempt opened, and `onClientLost` of the provider object is Hold"
            => "verdict: failed (ClientLost)";
        R4c "the manifest sets an authentication method that the provider does not support; or it sets none, and the provider supports neither that of the client nor one that can be chosen"
            => "verdict: failed (AuthMethodUnsupported)";
        R4a "no attempt opened, and two suspects of this UID without client_id (policy Hold: one), none abandoned"
            => "verdict: failed (OutcomeUnknown)";
        R5 "no attempt opened, recreations or registrations denied"
            => "verdict: failed (ClientMissing, transient, after the rest)";
        R5a "no attempt opened, the record not kept as a suspect in this pass"
            => "keep the record as a suspect; an entry that exists is written again";
        R6 "no attempt opened in this pass"
            => "open an attempt";
        R7 "else"
            => "register";
    }
    Delete {
        D1 "no finalizer, record Deleted / else"
            => "remove the record / verdict: gone";
        D2 "record unseen or absent by the watch only"
            => "read the record live";
        D3a "record absent, there is a doubt to enter, and the object was not read live"
            => "read it";
        D3b "record absent, marker open, opened by another replica less than a minute ago"
            => "verdict: failed (DeletionBlocked)";
        D3c "record absent, marker open, the provider resolvable, its clients known by a mark, attempt neither a suspect nor abandoned, not looked up, timeout not passed, not a copy (A9a)"
            => "resolve the provider, discover, look the client up: found, it is the registration in hand (A1), and then a record to delete";
        D3 "record absent, marker open, its attempt no suspect yet"
            => "enter a suspect";
        D4 "record absent, clientID known and no suspect"
            => "enter a suspect with its client_id";
        D4a "record absent, clientID unknown, the marker's attempt known to have registered a client, and no suspect"
            => "enter a suspect";
        D5a "record absent, and the watch shows the record of a registered client of another object of this name, or records without the label that tells, not read"
            => "find it live: its client stays, and an event tells of it";
        D5 "record absent"
            => "remove the finalizer";
        D6 "record unreadable, timeout passed, and its client no suspect yet / timeout passed / else"
            => "enter a suspect with the client_id of the status / remove the finalizer / verdict: failed (DeletionBlocked)";
        D6a "phase Registered or Deleting, record of another cluster or this may be a copy (A9a), not abandoned: timeout passed / else"
            => "remove the finalizer / verdict: failed (DeletionBlocked)";
        D7 "phase Deleted or Retained"
            => "remove the finalizer";
        D7a "phase Registered or Deleting, marker open, of another attempt than the record's, which is no suspect yet: opened by another replica less than a minute ago / else"
            => "verdict: failed (DeletionBlocked) / enter a suspect";
        D8 "phase Registered and `Retain`, or phase Registered or Deleting and abandoned: Secret unseen / ours and being removed, timeout not passed / absent, namespace not terminating / ours / else"
            => "read it / verdict: failed (DeletionBlocked) / create it without ownerReference / take our ownerReference off / save the record as Retained";
        D9 "phase Registered"
            => "save the record as Deleting";
        D10 "no management, or the provider answered that it deletes nothing: no suspect yet / else"
            => "keep the record as a suspect / save the record as Deleted";
        D11 "management needs the provider's credentials, unresolved"
            => "resolve it for the deletion: credentials that vanished count for as long as they are kept";
        D11a "the same, the provider object or the consented Secret of its credentials missing: until the timeout, or 60 s where the namespace is terminating / later, no suspect yet / else"
            => "verdict: failed (DeletionBlocked) / keep the record as a suspect / save the record as Deleted";
        D12 "deregistered (204, or 200 with no body or a JSON one that is no error), a suspect names the client / else"
            => "remove that suspect / save the record as Deleted";
        D12a "not sent, because the record of another object uses the client"
            => "save the record as Deleted";
        D13 "the deregistration was refused, or answered with a success that proves nothing (202, a page, a URI made from a template that never showed the client), or not sent because that URI shows another client: first time / 60 s later"
            => "save when it was first refused / keep the record as a suspect, then save it as Deleted";
        D14 "a step failed, timeout passed, and the record is a tombstone, or the step was refused for good and the status says DeletionBlocked already"
            => "remove the finalizer; the record stays, and what could not be entered as a suspect is told by an event";
        D15 "a step failed"
            => "verdict: failed (DeletionBlocked; look again if the world changed meanwhile)";
        D16 "not claimed"
            => "claim the client, unless the record of another object uses it (part \"One owner\")";
        D16a "the management URI is made from a template, and no read at one of this provider and template has shown a client; or `certify` has made the object, and the client was not read yet"
            => "read the client";
        D17 "else"
            => "deregister";
    }
    Gone {
        E1 "the leadership has ended, and this pass has recorded a client"
            => "read whether the object is gone: a successor may have ended its deletion before the record was stored, or after it was, without the pass's knowing, so that it was stored again";
        E2 "the object is gone, and this pass has recorded its client, phase Registered"
            => "read what is there under the object's name";
        E2a "the same, and no object of its name states that client as its own"
            => "save the record as a tombstone: Deleting, or Retained by the deletion policy";
        E3 "the object is gone, or the leadership has ended"
            => "the pass ends";
    }
}
