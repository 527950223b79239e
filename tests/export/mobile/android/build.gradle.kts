// NEVER BUILT YET: .github/workflows/android.yml would build it and run its instrumented test.
plugins {
    id("com.android.library") version "8.13.0"
    id("org.jetbrains.kotlin.android") version "2.2.20"
}

android {
    namespace = "files.of.models"
    compileSdk = 35
    defaultConfig {
        minSdk = 24
        testInstrumentationRunner = "androidx.test.runner.AndroidJUnitRunner"
    }
    // The tokenizer is the one that apps copy.
    sourceSets["androidTest"].kotlin.srcDir("../../../../export/mobile")
}

kotlin { jvmToolchain(17) }

dependencies {
    androidTestImplementation("com.google.ai.edge.litert:litert:1.4.2")
    androidTestImplementation("androidx.test.ext:junit:1.3.0")
    androidTestImplementation("androidx.test:runner:1.7.0")
}
