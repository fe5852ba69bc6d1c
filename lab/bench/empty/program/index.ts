/** Loads the SDK, as every program does, and declares nothing. */
import "@pulumi/pulumi";
