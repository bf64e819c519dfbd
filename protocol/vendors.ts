/**
 * Vendors: whose devices there are. Sweeps, records and presence name them alike.
 */
export const VENDORS = ['nvidia', 'amd', 'apple', 'cpu'] as const
export type Vendor = (typeof VENDORS)[number]
