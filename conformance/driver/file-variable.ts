/** The environment variable in which `run.ts` hands the path of the dotenv file to the scenarios. */
export const fileVariable = 'CONFORMANCE_ENV'
