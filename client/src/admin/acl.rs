//! Users and what they may do: accounts of 4.x, users and policies of 5.x.

use remoting::protocol::body::acl::{
    AclConfig, AclFileVersions, AclInfo, PlainAccessConfig, UserInfo,
};
use remoting::protocol::codes::{RequestCode, ResponseCode};
use remoting::protocol::command::RemotingCommand;
use remoting::protocol::fastjson;
use remoting::protocol::headers::acl::{
    AclVersionResponseHeader, DeleteAccountRequestHeader, DeleteAclRequestHeader,
    GlobalWhiteAddrsRequestHeader, ListAclsRequestHeader, ListUsersRequestHeader,
    PutAccountRequestHeader, SubjectRequestHeader, UserRequestHeader,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Admin, NoFields, read};
use crate::ClientError;
use crate::client::header_of;

/// How old the files are that a broker of 4.x reads accounts from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AclVersions {
    pub cluster: String,
    pub broker: String,
    pub address: String,
    pub files: AclFileVersions,
}

impl Admin {
    /// Creates an account of 4.x or overwrites it.
    ///
    /// # Errors
    /// Any of [`ClientError`].
    pub async fn put_account(
        &self,
        broker: &str,
        account: &PlainAccessConfig,
    ) -> Result<(), ClientError> {
        let joined = |list: &Option<Vec<String>>| list.as_ref().map(|list| list.join(","));
        let header = PutAccountRequestHeader {
            access_key: account.access_key.clone().unwrap_or_default(),
            secret_key: account.secret_key.clone(),
            white_remote_address: account.white_remote_address.clone(),
            admin: account.admin,
            default_topic_perm: account.default_topic_perm.clone(),
            default_group_perm: account.default_group_perm.clone(),
            topic_perms: joined(&account.topic_perms),
            group_perms: joined(&account.group_perms),
        };
        let code = RequestCode::UPDATE_AND_CREATE_ACL_CONFIG;
        self.tell(broker, code, &header).await.map(drop)
    }

    /// Deletes an account of 4.x.
    ///
    /// # Errors
    /// Any of [`ClientError`].
    pub async fn delete_account(&self, broker: &str, access_key: &str) -> Result<(), ClientError> {
        let header = DeleteAccountRequestHeader {
            access_key: access_key.to_owned(),
        };
        let code = RequestCode::DELETE_ACL_CONFIG;
        self.tell(broker, code, &header).await.map(drop)
    }

    /// All accounts of 4.x. Only up to 4.9.4, which answers it without asking who wants to know.
    ///
    /// # Errors
    /// Any of [`ClientError`].
    pub async fn accounts(&self, broker: &str) -> Result<AclConfig, ClientError> {
        let code = RequestCode::GET_BROKER_CLUSTER_ACL_CONFIG;
        self.ask(broker, code, &NoFields {}).await
    }

    /// How old a broker's accounts of 4.x are, file by file.
    ///
    /// # Errors
    /// Any of [`ClientError`].
    pub async fn acl_versions(&self, broker: &str) -> Result<AclVersions, ClientError> {
        let code = RequestCode::GET_BROKER_CLUSTER_ACL_INFO;
        let answer = self.tell(broker, code, &NoFields {}).await?;
        let header: AclVersionResponseHeader = header_of(broker, &answer)?;
        let files = match header.all_acl_file_version {
            Some(files) => fastjson::from_slice(files.as_bytes())
                .map_err(|error| ClientError::protocol(broker, error))?,
            None => AclFileVersions::new(),
        };
        Ok(AclVersions {
            cluster: header.cluster_name,
            broker: header.broker_name,
            address: header.broker_addr,
            files,
        })
    }

    /// Replaces the addresses that 4.x lets in without an account, separated by commas; in one file, or in the first.
    ///
    /// # Errors
    /// Any of [`ClientError`].
    pub async fn put_white_addresses(
        &self,
        broker: &str,
        addresses: &str,
        file: Option<&str>,
    ) -> Result<(), ClientError> {
        let header = GlobalWhiteAddrsRequestHeader {
            global_white_addrs: addresses.to_owned(),
            acl_file_full_path: file.map(str::to_owned),
        };
        let code = RequestCode::UPDATE_GLOBAL_WHITE_ADDRS_CONFIG;
        self.tell(broker, code, &header).await.map(drop)
    }

    /// Creates a user of 5.x.
    ///
    /// # Errors
    /// Any of [`ClientError`].
    pub async fn create_user(&self, broker: &str, user: &UserInfo) -> Result<(), ClientError> {
        let header = user_header(&user.username);
        self.put(broker, RequestCode::AUTH_CREATE_USER, &header, user)
            .await
    }

    /// Changes what is given of a user of 5.x.
    ///
    /// # Errors
    /// Any of [`ClientError`].
    pub async fn update_user(&self, broker: &str, user: &UserInfo) -> Result<(), ClientError> {
        let header = user_header(&user.username);
        self.put(broker, RequestCode::AUTH_UPDATE_USER, &header, user)
            .await
    }

    /// Deletes a user of 5.x, with all policies.
    ///
    /// # Errors
    /// Any of [`ClientError`].
    pub async fn delete_user(&self, broker: &str, name: &str) -> Result<(), ClientError> {
        let code = RequestCode::AUTH_DELETE_USER;
        self.tell(broker, code, &user_header(name)).await.map(drop)
    }

    /// A user of 5.x; `None` if there is none of this name.
    ///
    /// # Errors
    /// Any of [`ClientError`].
    pub async fn user(&self, broker: &str, name: &str) -> Result<Option<UserInfo>, ClientError> {
        self.find(broker, RequestCode::AUTH_GET_USER, &user_header(name))
            .await
    }

    /// The users of 5.x whose names have `filter` in them, or all.
    ///
    /// # Errors
    /// Any of [`ClientError`].
    pub async fn users(
        &self,
        broker: &str,
        filter: Option<&str>,
    ) -> Result<Vec<UserInfo>, ClientError> {
        let header = ListUsersRequestHeader {
            filter: filter.map(str::to_owned),
        };
        let users = self.find(broker, RequestCode::AUTH_LIST_USER, &header);
        Ok(users.await?.unwrap_or_default())
    }

    /// Grants what these policies say.
    ///
    /// # Errors
    /// Any of [`ClientError`].
    pub async fn create_acl(&self, broker: &str, acl: &AclInfo) -> Result<(), ClientError> {
        let header = subject_header(&acl.subject);
        self.put(broker, RequestCode::AUTH_CREATE_ACL, &header, acl)
            .await
    }

    /// Grants what these policies say to a subject that has some.
    ///
    /// # Errors
    /// Any of [`ClientError`].
    pub async fn update_acl(&self, broker: &str, acl: &AclInfo) -> Result<(), ClientError> {
        let header = subject_header(&acl.subject);
        self.put(broker, RequestCode::AUTH_UPDATE_ACL, &header, acl)
            .await
    }

    /// Revokes what a subject may do with a resource, or with all.
    ///
    /// # Errors
    /// Any of [`ClientError`].
    pub async fn delete_acl(
        &self,
        broker: &str,
        subject: &str,
        resource: Option<&str>,
    ) -> Result<(), ClientError> {
        let header = DeleteAclRequestHeader {
            subject: subject.to_owned(),
            policy_type: None,
            resource: resource.map(str::to_owned),
        };
        let code = RequestCode::AUTH_DELETE_ACL;
        self.tell(broker, code, &header).await.map(drop)
    }

    /// What a subject may do; `None` if there are no policies for it.
    ///
    /// # Errors
    /// Any of [`ClientError`].
    pub async fn acl(&self, broker: &str, subject: &str) -> Result<Option<AclInfo>, ClientError> {
        self.find(broker, RequestCode::AUTH_GET_ACL, &subject_header(subject))
            .await
    }

    /// What subjects may do, as far as these texts are in subject and resource.
    ///
    /// # Errors
    /// Any of [`ClientError`].
    pub async fn acls(
        &self,
        broker: &str,
        subject: Option<&str>,
        resource: Option<&str>,
    ) -> Result<Vec<AclInfo>, ClientError> {
        let header = ListAclsRequestHeader {
            subject_filter: subject.map(str::to_owned),
            resource_filter: resource.map(str::to_owned),
        };
        let acls = self.find(broker, RequestCode::AUTH_LIST_ACL, &header);
        Ok(acls.await?.unwrap_or_default())
    }

    async fn put(
        &self,
        broker: &str,
        code: RequestCode,
        header: &impl Serialize,
        body: &impl Serialize,
    ) -> Result<(), ClientError> {
        let request = RemotingCommand::request(code)
            .with_header(header)?
            .with_body(fastjson::to_vec(body)?);
        self.client().call_ok(broker, request).await.map(drop)
    }

    /// Reads what may not be there: brokers say so with a code or with no body.
    async fn find<T: DeserializeOwned>(
        &self,
        broker: &str,
        code: RequestCode,
        header: &impl Serialize,
    ) -> Result<Option<T>, ClientError> {
        match self.tell(broker, code, header).await {
            Ok(answer) if answer.body.is_empty() => Ok(None),
            Ok(answer) => read(broker, &answer).map(Some),
            Err(error) => match error.code() {
                Some(ResponseCode::USER_NOT_EXIST | ResponseCode::POLICY_NOT_EXIST) => Ok(None),
                _ => Err(error),
            },
        }
    }
}

fn user_header(name: &str) -> UserRequestHeader {
    UserRequestHeader {
        username: name.to_owned(),
    }
}

fn subject_header(subject: &str) -> SubjectRequestHeader {
    SubjectRequestHeader {
        subject: subject.to_owned(),
    }
}
