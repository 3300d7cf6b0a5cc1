// oidc-provider brings no types, and it is not installed before a bench needs it.
declare module 'oidc-provider'
